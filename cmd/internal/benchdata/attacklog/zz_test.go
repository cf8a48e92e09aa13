package attacklog

import (
	"bufio"
	"fmt"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/model"
	"os"
	"path/filepath"
	"testing"
)

func TestZZ(t *testing.T) {
	dir := "/work/shared/data/crowdsec-hub-tests"
	r, err := Run(dir, model.Default())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(r.String())
	if os.Getenv("UNREAD") != "" {
		cases, _ := readManifest(dir)
		for i := range cases {
			c := &cases[i]
			if !c.mapped() {
				continue
			}
			f, _ := os.Open(filepath.Join(dir, c.Test, c.Log))
			s := bufio.NewScanner(f)
			s.Buffer(nil, 1<<20)
			var rd reader
			n := 0
			for s.Scan() {
				if s.Text() == "" {
					continue
				}
				var e event.RequestEvent
				if _, ok := rd.read(s.Text(), &e); !ok {
					n++
					if n <= 2 {
						x := s.Text()
						fmt.Println("UNREAD", c.Test, x[:min(200, len(x))])
					}
				}
			}
		}
	}
}
