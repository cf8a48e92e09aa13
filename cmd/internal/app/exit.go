package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"

	"github.com/vigil-gateway/vigil/cmd/internal/config"
)

// Exit codes of every command.
const (
	ExitOK          = 0
	ExitFindings    = 1
	ExitUsage       = 2
	ExitUnreachable = 4
)

// ExitError is an error that says how the process ends.
type ExitError struct {
	Code int
	Err  error
}

// Error implements error; it is empty where everything was said already.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap implements the errors package's interface.
func (e *ExitError) Unwrap() error { return e.Err }

// Usage is an error of whoever called: exit code 2.
func Usage(format string, args ...any) error {
	return &ExitError{Code: ExitUsage, Err: fmt.Errorf(format, args...)}
}

// Unreachable marks err as something that is not there: exit code 4.
func Unreachable(err error) error {
	if err == nil {
		return nil
	}
	return &ExitError{Code: ExitUnreachable, Err: err}
}

// Findings ends with exit code 1 after everything was said.
func Findings() error { return &ExitError{Code: ExitFindings} }

// CodeOf is the exit code of a command that returned err.
func CodeOf(err error) int {
	var exit *ExitError
	var faults config.Faults
	var network *net.OpError // Not net.Error: a missing file is one too.
	var address *net.DNSError
	var request *url.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return ExitOK
	case errors.As(err, &exit):
		return exit.Code
	case errors.As(err, &faults):
		return ExitUsage
	case errors.As(err, &network), errors.As(err, &address), errors.As(err, &request):
		return ExitUnreachable
	}
	return ExitFindings
}
