// Dashboard sends the queries of a Grafana dashboard to Prometheus, and reports which panels show
// data.
//
//	go run ./examples/internal/dashboard -prometheus http://localhost:9090 -wait 40s deploy/grafana/laneway.json
//
// Every query of every panel must return a series, and every panel a value other than 0, at some
// time since the command started. The exit code is 1 if one does not within the wait, or if an
// alert rule cannot be evaluated.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	prometheus := flag.String("prometheus", "http://localhost:9090", "its address")
	wait := flag.Duration("wait", 40*time.Second, "how long panels may show nothing")
	flag.Parse()
	if err := run(*prometheus, *wait, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "dashboard:", err)
		os.Exit(1)
	}
}

func run(prometheus string, wait time.Duration, file string) error {
	panels, err := read(file)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	api, began := api{prometheus}, time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var left []string // panels and queries without data at the last look
	for {
		empty, err := api.look(ctx, panels, began)
		if err == nil {
			left = empty
		}
		if err == nil && len(empty) == 0 {
			fmt.Printf("%d panels with %d queries show data after %v\n", len(panels), queries(panels), time.Since(began).Round(time.Second))
			return api.rules(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("without data after %v:\n  %s", wait, strings.Join(left, "\n  ")), err)
		}
	}
}

// panel holds the queries of a panel.
type panel struct {
	Type    string
	Title   string
	Targets []struct{ Expr string }
}

func read(file string) (panels []panel, err error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var d struct{ Panels []panel }
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, p := range d.Panels {
		if p.Type != "row" {
			panels = append(panels, p)
		}
	}
	if len(panels) == 0 {
		return nil, fmt.Errorf("%s has no panels", file)
	}
	return panels, nil
}

func queries(panels []panel) (n int) {
	for _, p := range panels {
		n += len(p.Targets)
	}
	return n
}

// api is Prometheus's HTTP API.
type api struct{ address string }

// variables replaces Grafana's variables, to query everything since a moment ago.
var variables = strings.NewReplacer("$pipeline", ".*", "$__rate_interval", "10s", "$__range", "1m")

// look returns the panels and queries without data.
func (a api) look(ctx context.Context, panels []panel, since time.Time) (empty []string, err error) {
	for _, p := range panels {
		shows := false
		for _, t := range p.Targets {
			series, nonzero, err := a.query(ctx, variables.Replace(t.Expr), since)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.Title, err)
			}
			if series == 0 {
				empty = append(empty, p.Title+": no series for "+t.Expr)
			}
			shows = shows || nonzero
		}
		if !shows {
			empty = append(empty, p.Title+": nothing but 0")
		}
	}
	return empty, nil
}

// query counts the series of an expression, and reports whether any had a value other than 0.
func (a api) query(ctx context.Context, expr string, since time.Time) (series int, nonzero bool, err error) {
	var got struct {
		Result []struct{ Values [][2]any }
	}
	err = a.get(ctx, "query_range", url.Values{"query": {expr}, "start": {stamp(since)}, "end": {stamp(time.Now())}, "step": {"1"}}, &got)
	for _, s := range got.Result {
		for _, v := range s.Values {
			// NaN is not
			if f, err := strconv.ParseFloat(fmt.Sprint(v[1]), 64); err == nil && f > 0 {
				nonzero = true
			}
		}
	}
	return len(got.Result), nonzero, err
}

// rules checks that alert rules exist and can be evaluated.
func (a api) rules(ctx context.Context) error {
	var got struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	if err := a.get(ctx, "rules", nil, &got); err != nil {
		return err
	}
	n := 0
	for _, g := range got.Groups {
		for _, r := range g.Rules {
			if n++; r.Health != "ok" {
				return fmt.Errorf("alert %s is %s: %s", r.Name, r.Health, r.LastError)
			}
		}
	}
	if n == 0 {
		return errors.New("no alert rules are loaded")
	}
	fmt.Printf("%d alert rules evaluated\n", n)
	return nil
}

func stamp(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

func (a api) get(ctx context.Context, what string, args url.Values, data any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.address+"/api/v1/"+what+"?"+args.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return errors.New(answer.Error)
	}
	return json.Unmarshal(answer.Data, data)
}
