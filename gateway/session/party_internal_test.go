package session

import (
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// A field that somebody adds to Who must tell parties apart: a verdict about it
// would else meet who only resembles its target, or miss who is it.
func TestEveryFieldTellsPartiesApart(t *testing.T) {
	values := map[reflect.Type]reflect.Value{
		reflect.TypeFor[string]():     reflect.ValueOf("x"),
		reflect.TypeFor[bool]():       reflect.ValueOf(true),
		reflect.TypeFor[uint32]():     reflect.ValueOf(uint32(1)),
		reflect.TypeFor[[]string]():   reflect.ValueOf([]string{"x"}),
		reflect.TypeFor[netip.Addr](): reflect.ValueOf(netip.MustParseAddr("192.0.2.1")),
		reflect.TypeFor[time.Time]():  reflect.ValueOf(time.Unix(1, 0)),
	}
	for i := range reflect.TypeFor[Who]().NumField() {
		f := reflect.TypeFor[Who]().Field(i)
		t.Run(f.Name, func(t *testing.T) {
			var e Entry
			reflect.ValueOf(&e.Who).Elem().Field(i).Set(values[f.Type])
			if (&party{}).same(&e) {
				t.Error("makes no difference")
			}
		})
	}
}
