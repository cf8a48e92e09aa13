package ingest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEpochsEnd(t *testing.T) {
	noon := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	a, b, next := epochOf{"a", 1}, epochOf{"b", 1}, epochOf{"a", 2}
	tests := map[string]struct {
		play func(l *lives, ended func(epochOf, string))
		want map[epochOf]string
	}{
		"a gateway that ticks has not ended": {
			func(l *lives, ended func(epochOf, string)) {
				for s := range 100 {
					l.tick(a, false, at(s), ended)
					l.silent(at(s), ended)
				}
			}, nil,
		},
		"a gateway that is silent ends by timeout, once": {
			func(l *lives, ended func(epochOf, string)) {
				l.tick(a, false, at(0), ended)
				l.tick(b, false, at(0), ended)
				for s := range 100 {
					l.tick(b, false, at(s), ended)
					l.silent(at(s), ended)
				}
			}, map[epochOf]string{a: closedByTimeout},
		},
		"a partition that could not be read says nothing of its gateways": {
			func(l *lives, ended func(epochOf, string)) {
				l.tick(a, false, at(0), ended)
				l.silent(at(29), ended) // Read until then, whatever the time is.
			}, nil,
		},
		"a gateway that comes back has closed its epoch itself": {
			func(l *lives, ended func(epochOf, string)) {
				l.tick(a, false, at(0), ended)
				l.tick(a, true, at(5), ended)
				l.tick(next, false, at(5), ended)
				l.silent(at(6), ended)
			}, map[epochOf]string{a: closedByGateway},
		},
		"a gateway that comes back with an empty disk has closed it by a later one": {
			func(l *lives, ended func(epochOf, string)) {
				l.tick(a, false, at(0), ended)
				l.tick(next, false, at(5), ended)
				l.silent(at(6), ended)
			}, map[epochOf]string{a: closedBySuccessor},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var l lives
			got := make(map[epochOf]string)
			tt.play(&l, func(of epochOf, how string) {
				if got[of] != "" {
					t.Errorf("%v ends twice", of)
				}
				got[of] = how
			})
			if len(tt.want) == 0 {
				tt.want = make(map[epochOf]string)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(epochOf{})); diff != "" {
				t.Errorf("ended (-want +got):\n%s", diff)
			}
		})
	}
}
