// Package fetch reads memory a moment before it is used.
//
//	table --likely--> value --lines--> its lists --lines--> used
//
// # Contract
//
// Among a million subjects nothing of the next one is in the processor's caches, and
// what is followed from pointer to pointer is waited for one line after the other. A
// function of this package reads one byte of each line and looks at none of them, so
// that the processor has as many on their way as it can. The sum of the bytes says
// nothing; it must be kept somewhere, or the compiler would leave the reading out.
//
// # Non-obvious
//
// Reading ahead changes no result, only how long it takes: where the guess at what
// will be used is wrong, time was lost and nothing else.
package fetch
