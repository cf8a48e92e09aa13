package olap

import (
	"regexp"
	"strconv"
)

// Codes of exceptions that the server raises itself, as ClickHouse numbers them.
const (
	codeBadArguments    = 36
	codeNotImplemented  = 48
	codeTooManyQueries  = 202
	codeTooLarge        = 307
	codeAuthentication  = 516
	codeUnknownSetting  = 115
	codeReadonly        = 164
	codeStdException    = 1001
	codeCannotReadInput = 33
)

// Exception is an error of the engine, or of the server in its form.
//
//nolint:errname // ClickHouse's own name, which clickhouse-go uses too.
type Exception struct {
	// Code is ClickHouse's number, such as 60 for an unknown table; 1001 where none was given.
	Code int
	// Text is the whole message, "Code: 60. DB::Exception: ...".
	Text string
}

// Error returns the message.
func (e *Exception) Error() string { return e.Text }

// newException reads the code out of an engine's message.
func newException(text string) *Exception {
	match := regexp.MustCompile(`Code: (\d+)\.`).FindStringSubmatch(text)
	if match == nil {
		return &Exception{Code: codeStdException, Text: "Code: 1001. DB::Exception: " + text}
	}
	code, err := strconv.Atoi(match[1])
	if err != nil {
		code = codeStdException
	}
	return &Exception{Code: code, Text: text}
}

// refuse is an exception that the server itself raises.
func refuse(code int, text string) *Exception {
	return &Exception{Code: code, Text: "Code: " + strconv.Itoa(code) + ". DB::Exception: " + text}
}
