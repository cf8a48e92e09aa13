package entity

import (
	"testing"
	"unsafe"
)

// TestSizesStayBelowTheNextOfTheAllocator keeps what there are most of from
// growing by accident: with its header an object that holds pointers takes 8 B
// more, and then the next size that the allocator has.
func TestSizesStayBelowTheNextOfTheAllocator(t *testing.T) {
	tests := map[string]struct{ size, most uintptr }{
		"a session": {unsafe.Sizeof(Session{}), 640 - 8},
		"a subject": {unsafe.Sizeof(Subject{}), 768 - 8},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.size > tt.most {
				t.Errorf("takes %d B, want at most %d", tt.size, tt.most)
			}
		})
	}
}
