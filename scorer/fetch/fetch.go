package fetch

import "unsafe"

// lineBytes is what a processor takes from memory at once.
const lineBytes = 64

// Value reads a byte of each line of a value, which may be nil.
func Value[T any](v *T) (sum byte) {
	if v == nil {
		return 0
	}
	return lines(unsafe.Pointer(v), unsafe.Sizeof(*v)) //nolint:gosec // Within the value.
}

// List reads a byte of each line of the elements of a list.
func List[T any](list []T) (sum byte) {
	if len(list) == 0 {
		return 0
	}
	return lines(unsafe.Pointer(unsafe.SliceData(list)), unsafe.Sizeof(list[0])*uintptr(len(list))) //nolint:gosec // Within the list.
}

// Text reads a byte of each line of a text.
func Text(s string) (sum byte) {
	if s == "" {
		return 0
	}
	return lines(unsafe.Pointer(unsafe.StringData(s)), uintptr(len(s))) //nolint:gosec // Within the text.
}

// lines reads the first byte and one of each line after it.
func lines(from unsafe.Pointer, bytes uintptr) (sum byte) {
	for at := uintptr(0); at < bytes; at += lineBytes {
		sum += *(*byte)(unsafe.Add(from, at))
	}
	return sum
}
