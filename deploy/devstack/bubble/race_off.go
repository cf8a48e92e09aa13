//go:build !race

package bubble

func oneAtATime() (end func()) { return func() {} }
