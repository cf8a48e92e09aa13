package access

import (
	"errors"
	"testing"
)

// TestTagsArePassedOver reads what may stand before a newer answer.
func TestTagsArePassedOver(t *testing.T) {
	tests := map[string]struct {
		answer string
		want   string
		err    error
	}{
		"no tags":                       {"\x00rest", "rest", nil},
		"two tags":                      {"\x02\x00\x01a\x05\x02bcrest", "rest", nil},
		"a tag longer than the answer":  {"\x01\x00\x09rest", "", ErrAnswer},
		"an endless number":             {"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "", nil},
		"more tags than anybody writes": {"\x7f", "", nil},
		"nothing":                       {"", "", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := withoutTags([]byte(tt.answer))
			if string(got) != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("%q, %v; want %q, %v", got, err, tt.want, tt.err)
			}
		})
	}
}
