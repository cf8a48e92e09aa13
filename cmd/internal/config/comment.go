package config

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"reflect"
)

// commentFile holds the comments of every configuration field, taken from the
// source by a test: UPDATE_GOLDEN=1 go test ./cmd/internal/config writes it.
//
//go:embed comments.json
var commentFile []byte

// comments are by type and field, such as
// github.com/vigil-gateway/vigil/gateway/listen.Config.Address.
func comments() (map[string]string, error) {
	var all map[string]string
	err := json.Unmarshal(commentFile, &all)
	if err != nil {
		return nil, fmt.Errorf("read comments.json: %w", err)
	}
	return all, nil
}

func commentKey(owner reflect.Type, field string) string {
	if owner == nil {
		return ""
	}
	return owner.PkgPath() + "." + owner.Name() + "." + field
}
