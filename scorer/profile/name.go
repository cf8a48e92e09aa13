package profile

import (
	"unique"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Name is a text of which there is one copy, however many entities show it. The
// zero value is the empty text.
type Name struct{ handle unique.Handle[string] }

// NameOf returns the name of a text, and keeps nothing of s.
func NameOf(s string) Name {
	if s == "" {
		return Name{}
	}
	return Name{unique.Make(s)}
}

// String is the text.
func (n Name) String() string {
	if n == (Name{}) {
		return ""
	}
	return n.handle.Value()
}

// Code writes or reads the name.
func (n *Name) Code(k *snapshot.Codec) {
	s := n.String()
	k.Name(&s)
	if k.Reading() {
		*n = NameOf(s)
	}
}
