//go:build !linux && !darwin

package doctor

import "errors"

var errUnknown = errors.New("not known on this system")

func roomAt(string) (free, total uint64, err error) { return 0, 0, errUnknown }

func ownLimit() (uint64, error) { return 0, errUnknown }

func limitOf(int) (uint64, error) { return 0, errUnknown }
