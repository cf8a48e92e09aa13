package devstack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// libraryPath is where "make engines" puts the embedded ClickHouse library,
// below the checkout.
const libraryPath = ".cache/chdb/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so"

// ErrNoLibrary means that the embedded ClickHouse library is not on this machine.
var ErrNoLibrary = errors.New("embedded ClickHouse library not found: run make engines in a checkout, and vigil below it, or name the file by --chdb or VIGIL_CHDB_LIBRARY")

// FindLibrary returns the path of the embedded ClickHouse library: the one that
// is named (by flag, else by VIGIL_CHDB_LIBRARY), else that of a checkout
// around the working directory or around the program.
func FindLibrary(named string) (string, error) {
	if named == "" {
		named = os.Getenv("VIGIL_CHDB_LIBRARY")
	}
	if named != "" {
		_, err := os.Stat(named) //nolint:gosec // The operator names his own library.
		if err != nil {
			return "", optionsError{fmt.Errorf("embedded ClickHouse library %s: %w", named, err)}
		}
		return named, nil
	}
	var starts []string
	cwd, err := os.Getwd()
	if err == nil {
		starts = append(starts, cwd)
	}
	program, err := os.Executable()
	if err == nil {
		starts = append(starts, filepath.Dir(program))
	}
	for _, dir := range starts {
		for {
			name := filepath.Join(dir, libraryPath)
			_, err := os.Stat(name)
			if err == nil {
				return name, nil
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				break
			}
			dir = parent
		}
	}
	return "", ErrNoLibrary
}
