package devstack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/keys"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
)

// Places are the files and folders of an installation, all absolute.
type Places struct {
	keys.Files

	Dir        string
	Kafka      string // Folder of the embedded broker.
	ClickHouse string // Folder of the embedded database.
	State      string // Folder of snapshots and of the gateway's verdict file.
	IDP        string // Folder of the sample provider's keys.
}

// FolderIDP is the folder of the sample provider's keys in an installation.
const FolderIDP = "idp"

// placesOf names the files of an installation in dir.
func placesOf(dir string) Places {
	return Places{
		Files:      keys.In(dir),
		Dir:        dir,
		Kafka:      filepath.Join(dir, "kafka"),
		ClickHouse: filepath.Join(dir, "clickhouse"),
		State:      filepath.Join(dir, "state"),
		IDP:        filepath.Join(dir, FolderIDP),
	}
}

// furnish makes what is missing of an installation's folders, keys and secrets.
func furnish(p Places) error {
	for _, dir := range []string{p.Dir, p.Kafka, p.ClickHouse, p.State, p.IDP} {
		err := os.MkdirAll(dir, 0o700)
		if err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
	}
	_, err := keys.Init(p.Dir)
	if err != nil {
		return err
	}
	_, err = keys.AddGateway(p.Dir, GatewayID, time.Now())
	if errors.Is(err, keys.ErrRootOffline) {
		return nil // An installation of before gateways had keys: its events stay without a seal.
	}
	return err
}

// seals reports whether the installation's key set lists its gateway's key.
func (p Places) seals() bool {
	set, err := keyfile.KeySet(p.RootPublic, p.KeySet)
	return err == nil && set.Seals(GatewayID)
}
