package poison_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/life/poison"
)

func TestDev(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("N"))
	o := options(n, 14)
	o.Storms = os.Getenv("STORMS") != ""
	if v := os.Getenv("PLOTS"); v != "" {
		o.Plots = strings.Split(v, ",")
	}
	if v := os.Getenv("COLS"); v != "" {
		o.Columns = strings.Split(v, ",")
	}
	at := time.Now()
	o.Each = func(r poison.Row) { fmt.Printf("%s %v %+v\n", time.Since(at).Round(time.Second), r.Attack, r.Cells) }
	measure(t, o)
}
