// Package exact computes logarithms, powers of two and distances that have the
// same bits on every processor.
//
//	profile, evidence, judge --x--> Ln, Exp2, Kilometres
//
// # Contract
//
// Results depend on the argument alone. A replay on another architecture gives
// byte-equal assessments.
//
// # Concurrency
//
// All functions are pure.
//
// # Non-obvious
//
// Package math has assembly for some processors, and the compiler may fuse
// x*y + z where the hardware can, so the last bit of math.Log differs between
// amd64 and arm64. Here each product is converted to float64 before it is
// added, which forbids fusing; see the Go specification, Floating-point operators.
package exact
