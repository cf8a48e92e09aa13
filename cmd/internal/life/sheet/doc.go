// Package sheet writes reports about lives as tables for people to read.
//
//	soak.Report, poison.Report --Say--> Print --> terminal
//
// # Contract
//
// Cells end with a tab, rows with a line end. [Print] writes all or, where out
// refuses, returns its error.
package sheet
