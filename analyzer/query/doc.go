// Package query holds the named questions that an analyst asks of ClickHouse,
// each one SQL file with its documentation at its head.
//
//	vigil query NAME, vigil explain CODE, console --Run--> questions/NAME.sql --> ClickHouse
//
// # Contract
//
// A question file begins with a comment: one line "question:", a line "param:
// name Type = default  meaning" for each parameter (without "= default" it is
// required), a line "column: name  meaning" for each column of the answer.
// Parameters are bound by the server as {name:Type}; no value is ever pasted
// into SQL. Every question ends after SecondsMax and gives RowsMax rows at most.
//
// # Concurrency
//
// All functions are safe for concurrent use.
//
// # Non-obvious
//
// Verdicts and enforcements are read with FINAL: a repeated announcement is a
// second row until ClickHouse has merged it away.
package query
