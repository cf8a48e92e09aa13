package takeover_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/cmd/internal/benchdata/takeover"
)

const (
	masqueradeDir = "masquerade-schonlau/FraudedRawData"
	purdueDir     = "unix-user-data-purdue"
)

// made is a log of a made person, who goes through a few tasks of a fixed
// order that he chose from forty commands, with a stranger at work on the days
// that are named.
func made(seed uint64, days int, stranger map[int]uint64) string {
	var b strings.Builder
	random := rand.New(rand.NewPCG(seed, 99))
	tasks := func(seed uint64) (list [6][8]int) {
		choice := rand.New(rand.NewPCG(seed, 1))
		for i := range list {
			for j := range list[i] {
				list[i][j] = choice.IntN(40)
			}
		}
		return list
	}
	own := tasks(seed)
	for day := range days {
		at := own
		if other, ok := stranger[day]; ok {
			at = tasks(other)
		}
		for n := 0; n < 100; {
			task := at[random.IntN(len(at))]
			for _, command := range task[:min(len(task), 100-n)] {
				b.WriteString("command" + strconv.Itoa(command) + "\n")
				n++
			}
		}
	}
	return b.String()
}

// fixture writes both sets in small: ten people of 60 days, of whom two have
// labels, and three people of 36 days.
func fixture(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(text string, at ...string) {
		path := filepath.Join(append([]string{dir}, at...)...)
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if err != nil {
			t.Fatal(err)
		}
		err = os.WriteFile(path, []byte(text), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	labels := "id,0-100\n"
	for person := range 10 {
		strangers := map[int]uint64{}
		if person < 2 {
			row := make([]string, 60)
			for day := range row {
				row[day] = "0"
			}
			for i, day := range []int{52, 55, 58} {
				strangers[day] = uint64(70 + 10*person + i)
				row[day] = "1"
			}
			labels += "User" + strconv.Itoa(person) + "," + strings.Join(row, ",") + "\n"
		} else {
			labels += "User" + strconv.Itoa(person) + ",\n"
		}
		write(made(uint64(person), 60, strangers), masqueradeDir, "User"+strconv.Itoa(person))
	}
	write(labels, "masquerade-schonlau/partial_labels.csv")
	for person := range 3 {
		write("\n"+made(uint64(40+person), 36, nil), purdueDir, "USER"+strconv.Itoa(person+1))
	}
	return dir
}

func TestRunFindsWhatIsEasy(t *testing.T) {
	dir := fixture(t)
	r, err := takeover.Run(dir)
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	m := r.Masquerade
	if m.Blocks.Strangers != 6 || m.Blocks.Clean != 14 || m.Commands != 1400 {
		t.Errorf("%d strangers' and %d clean blocks, %d clean commands; want 6, 14, 1400", m.Blocks.Strangers, m.Blocks.Clean, m.Commands)
	}
	if m.Blocks.AUC < 0.99 {
		t.Errorf("AUC of people who share no task = %.3f", m.Blocks.AUC)
	}
	for _, p := range m.Answered[:3] {
		if p.Within100 < 0.9 || p.Median > 60 || p.False > p.Budget {
			t.Errorf("answered: %+v", p)
		}
	}
	if len(r.Splices) != 4 || r.Splices[0].Splices != 180 || r.Splices[3].Splices != 120 || !r.Splices[3].Colleague {
		t.Fatalf("splices: %+v", r.Splices)
	}
	for _, s := range r.Splices {
		for _, p := range s.Hindsight[:3] {
			if p.Within100 < 0.9 || p.Median > 60 || p.False > p.Budget {
				t.Errorf("%s: %+v", s.Name, p)
			}
		}
	}
	cut := r.Splices[0].Held[0]
	if !cut.Fitted || cut.FitDays != 120 || cut.Days != 130 || cut.Beyond < 80 || cut.Takeovers == 0 || cut.Takeovers >= 180 {
		t.Errorf("one cut in 10,000 subject-days: %+v; want 120 days that fit, 130 that count, 83 times beyond them", cut)
	}
	if step := r.Splices[0].Held[1]; step.Within100 < 0.9 || step.False > 10 || step.Median > 60 || step.MedianOfAll < step.Median {
		t.Errorf("a hundred step-ups in 10,000 subject-days: %+v", step)
	}
	if few := r.Splices[2].Held[0]; few.Fitted || few.FitDays != 15 || few.Within500 != 0 {
		t.Errorf("a threshold of 15 days: %+v", few)
	}
	again, err := takeover.Run(dir)
	if err != nil {
		t.Fatalf("Run again: %v", err)
	}
	if diff := cmp.Diff(r, again); diff != "" {
		t.Errorf("a second run differs (-first +second):\n%s", diff)
	}
	table := r.String()
	for _, want := range []string{"masquerade, labelled: 6 strangers' blocks", "IN HINDSIGHT, answered", "counted on the second half", "too few to fit", "purdue, spliced with a colleague: 3 people", r.Hash} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
	_, err = json.Marshal(r)
	if err != nil {
		t.Errorf("as JSON: %v", err)
	}
}

func TestRunRefuses(t *testing.T) {
	tests := map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"a directory without labels": {
			spoil: func(dir string) error { return os.Remove(filepath.Join(dir, "masquerade-schonlau/partial_labels.csv")) },
			want:  "read labels",
		},
		"too few people": {
			spoil: func(dir string) error { return os.Remove(filepath.Join(dir, purdueDir, "USER1")) },
			want:  "holds 0 logs, need 3",
		},
		"a log that is too short": {
			spoil: func(dir string) error {
				return os.WriteFile(filepath.Join(dir, purdueDir, "USER2"), []byte("ls\n"), 0o600)
			},
			want: "has 1 clean commands",
		},
		"more labels than commands": {
			spoil: func(dir string) error {
				return os.WriteFile(filepath.Join(dir, masqueradeDir, "User0"), []byte(strings.Repeat("ls\n", 5000)), 0o600)
			},
			want: "has 60 labels for 5000 commands",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := fixture(t)
			err := tt.spoil(dir)
			if err != nil {
				t.Fatal(err)
			}
			_, err = takeover.Run(dir)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Run error = %v, want one with %q", err, tt.want)
			}
		})
	}
	_, err := takeover.Run(t.TempDir())
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Run of an empty directory: %v", err)
	}
}
