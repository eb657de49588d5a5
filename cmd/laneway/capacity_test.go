package main

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const capacityPage = "../../docs/capacity.md"

func calculates(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	must(t, run(t.Context(), append([]string{"capacity"}, args...), &out, &errs))
	return out.String()
}

// number reads a number of a page.
func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.ReplaceAll(strings.TrimSpace(text), ",", ""))
	must(t, err)
	return n
}

func TestCapacity(t *testing.T) {
	raw, err := os.ReadFile(capacityPage)
	must(t, err)
	page := string(raw)

	t.Run("has the numbers of the page's table of degrees", func(t *testing.T) {
		rows := regexp.MustCompile(`(?m)^\|([ 0-9a-z,|]+)\|$`).FindAllStringSubmatch(page[strings.Index(page, "| records a second |"):], 5)
		titles, cells := strings.Split(rows[0][1], "|"), 0
		for _, row := range rows[1:] {
			of := strings.Split(row[1], "|")
			for i, cell := range of[1:] {
				took, err := time.ParseDuration(strings.ReplaceAll(titles[i+1], " ", ""))
				must(t, err)
				l := load{Rate: float64(number(t, of[0])), Time: took}
				if got := whole(l.atWork()); got != number(t, cell) {
					t.Errorf("%s records a second, %v: %d, want %s", of[0], took, got, cell)
				}
				cells++
			}
		}
		if cells != 20 {
			t.Errorf("%d cells", cells)
		}
	})
	t.Run("has the defaults of the page and of a pipeline", func(t *testing.T) {
		for _, says := range []string{"| `MaxBytes`, or 1 MiB a partition if that is more | " + sized(maxBytes) + " |", "| `MaxInFlight` | " + digits(maxInFlight) + " |",
			"| `MaxFinishedAhead` | " + digits(maxFinishedAhead) + " |", "A share is at least " + sized(leastShare), "uses it, up to " + strings.TrimSpace(sized(largestState))} {
			if !strings.Contains(strings.Join(strings.Fields(page), " "), says) {
				t.Errorf("%s does not say %q", capacityPage, says)
			}
		}
		c := start(t) // with two partitions
		var status struct {
			Replicas []struct {
				Pipelines []struct {
					Partitions []struct {
						Room struct{ MaxRecords, MaxBytes int }
					}
				}
			}
		}
		must(t, json.Unmarshal([]byte(c.runs("olaf", "status", "-o", "json").out), &status))
		if room := status.Replicas[0].Pipelines[0].Partitions[0].Room; room.MaxRecords != maxInFlight || room.MaxBytes != (load{Partitions: 2}).share() {
			t.Errorf("a partition has %+v", room)
		}
	})
	t.Run("has what the page says of the metadata", func(t *testing.T) {
		l := load{Partitions: 1, Metadata: 4096}
		for says, is := range map[string]int{
			`room for about ([0-9,]+) offsets`:           (l.ahead() + 500) / 1000 * 1000,
			`about ([0-9,]+) records are\s+unfinished`:   (l.unfinished() + 5) / 10 * 10,
			`the ([0-9,]+) bytes of\s+.offset\.metadata`: l.Metadata,
		} {
			if m := regexp.MustCompile(says).FindStringSubmatch(page); m == nil || number(t, m[1]) != is {
				t.Errorf("%s: %v, want %d", says, m, is)
			}
		}
		m := regexp.MustCompile(`at least ([0-9,]+) lanes`).FindStringSubmatch(page)
		if least := number(t, m[1]); l.lanes() < least {
			t.Errorf("room for %d lanes, want at least %d", l.lanes(), least)
		}
	})
	t.Run("says how much metadata the parked keys need", func(t *testing.T) {
		for parked, says := range map[string]string{"120": "10 have room", "12000": "1,000 need offset.metadata.max.bytes=", "1200000": "100,000 have no room"} {
			if out := calculates(t, "--rate", "1", "--time", "1s", "--parked", parked); !strings.Contains(out, says) {
				t.Errorf("%s parked keys:\n%s", parked, out)
			}
		}
		l := load{Partitions: 12, Parked: 12000}
		l.Metadata = l.metadataNeeded()
		if enough := l.lanes(); enough < l.parkedEach() {
			t.Errorf("%d bytes have room for %d keys", l.Metadata, enough)
		}
		if l.Metadata -= 1 << 10; l.lanes() >= l.parkedEach() {
			t.Errorf("%d bytes are enough", l.Metadata)
		}
	})
	t.Run("has memory for large records and many partitions", func(t *testing.T) {
		for name, one := range map[string]struct {
			load
			payload, inFlight int
		}{
			"a record larger than a share":  {load{Rate: 1, Time: 1, Size: 8 << 20, Partitions: 64}, 512 << 20, 64},
			"a MiB for each partition":      {load{Rate: 1, Time: 1, Size: 1 << 10, Partitions: 1000}, 1000 << 20, 1_024_000},
			"MaxInFlight for small records": {load{Rate: 1, Time: 1, Size: 0, Partitions: 2}, 64 << 20, 8192},
		} {
			if p, n := one.load.payload(), one.load.inFlight(); p != one.payload || n != one.inFlight {
				t.Errorf("%s: %d bytes, %d records", name, p, n)
			}
		}
	})
	t.Run("prints the example of the page", func(t *testing.T) {
		args := "--rate 1000 --time 20ms --size 2048 --partitions 12 --parked 6000"
		want := "```\n$ laneway capacity " + args + "\n" + calculates(t, strings.Fields(args)...) + "```\n"
		section := regexp.MustCompile("(?s)```\n\\$ laneway capacity .*?```\n")
		if *update {
			page = section.ReplaceAllLiteralString(page, want)
			must(t, os.WriteFile(capacityPage, []byte(page), 0o644))
		}
		if !strings.Contains(page, want) {
			t.Errorf("%s does not show it; go test -update writes\n%s", capacityPage, want)
		}
	})
	t.Run("prints numbers and formulas as JSON", func(t *testing.T) {
		var body struct {
			Results []struct {
				Name, Unit, Formula string
				Value               float64
			}
		}
		must(t, json.Unmarshal([]byte(calculates(t, "--rate", "1000", "--time", "20ms", "-o", "json")), &body))
		if r := body.Results[1]; r.Name != "degree" || r.Value != 27 || r.Unit != "records at a time" || r.Formula != "at work, and a third more" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("refuses a wrong command line", func(t *testing.T) {
		for args, says := range map[string]string{
			"":                                  "needs --rate",
			"--rate NaN --time 1s":              "needs --rate",
			"--rate 1":                          "needs --time",
			"--rate 1 --time -1s":               "needs --time",
			"--rate 1 --time 1s --partitions 0": "from 1 to",
			"--rate 1 --time 1s --size -1":      "--size -1",
			"--rate 1 --time 1s --metadata -1":  "--metadata -1",
			"--rate 1 --time 1s --parked 10000000000": "--parked 10000000000",
		} {
			var out, errs bytes.Buffer
			err := run(t.Context(), append([]string{"capacity"}, strings.Fields(args)...), &out, &errs)
			if exitCode(err) != exitUsage || !strings.Contains(err.Error(), says) {
				t.Errorf("%q: %v", args, err)
			}
		}
	})
}
