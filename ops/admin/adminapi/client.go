package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Client watches and operates one process. Config.Timeout limits each call. Its error is a *Problem
// if the process refused, and otherwise says why there was no answer. Methods may be called
// concurrently.
type Client struct {
	addr    string // host:port
	scheme  string
	token   string
	timeout time.Duration
	http    *http.Client
}

// Addr returns the address of the process, as host:port with an IP address.
func (c *Client) Addr() string { return c.addr }

// Process returns who the process is, and who asks.
func (c *Client) Process(ctx context.Context) (Process, error) {
	return get[Process](ctx, c, nil, "process")
}

// Pipelines returns the pipelines, what they are made of and how they stand.
func (c *Client) Pipelines(ctx context.Context) ([]Pipeline, error) {
	body, err := get[Pipelines](ctx, c, nil, "pipelines")
	return body.Pipelines, err
}

// Partitions returns the assigned partitions of a pipeline, each with what it waits for.
func (c *Client) Partitions(ctx context.Context, pipeline string) ([]Partition, error) {
	body, err := get[Partitions](ctx, c, nil, "pipelines", pipeline, "partitions")
	return body.Partitions, err
}

// Explain returns why a partition does not move. With a token it has the stack of a running
// handler; taking it stops the process for a moment.
func (c *Client) Explain(ctx context.Context, pipeline string, of Partition) (Explanation, error) {
	return get[Explanation](ctx, c, of.query(), "pipelines", pipeline, "partitions", of.Topic, strconv.Itoa(of.Partition))
}

// Lanes returns the ten hottest and the ten oldest keys of a partition, and what each waits for. It
// shows keys only with a token.
func (c *Client) Lanes(ctx context.Context, pipeline string, of Partition) (Lanes, error) {
	return get[Lanes](ctx, c, of.query(), "pipelines", pipeline, "partitions", of.Topic, strconv.Itoa(of.Partition), "lanes")
}

// query names the source of a partition.
func (q Partition) query() url.Values {
	if q.Source == "" {
		return nil
	}
	return url.Values{"source": {q.Source}}
}

// History returns the samples of a pipeline after a number; 0 returns those of the last 15 minutes.
func (c *Client) History(ctx context.Context, pipeline string, after int64) (History, error) {
	return get[History](ctx, c, url.Values{"after": {strconv.FormatInt(after, 10)}}, "pipelines", pipeline, "history")
}

// Halts returns what is halted, parked or paused, in all pipelines.
func (c *Client) Halts(ctx context.Context) ([]Halt, error) {
	body, err := get[Halts](ctx, c, nil, "halts")
	return body.Halts, err
}

// Record returns the record of a halt, if the worker has admin.Previews.
func (c *Client) Record(ctx context.Context, h Halt) (Preview, error) {
	return get[Preview](ctx, c, url.Values{"halt": {h.ID}}, "pipelines", h.Pipeline, "record")
}

// Events returns the events after a number; 0 returns all that are kept.
func (c *Client) Events(ctx context.Context, after int64) (Events, error) {
	return get[Events](ctx, c, url.Values{"after": {strconv.FormatInt(after, 10)}}, "events")
}

// Resume tries the record of a halt again, or ends a pause or a park by hand. It returns once that
// has happened, or after a second.
func (c *Client) Resume(ctx context.Context, pipeline string, r Resume) (Done, error) {
	return post[Done](ctx, c, r, "pipelines", pipeline, "resume")
}

// ResumeMany is Resume for up to HaltsMost halts. One that somebody else has released stops none of
// the others: see Result. It returns once all have happened, or after a second.
func (c *Client) ResumeMany(ctx context.Context, pipeline string, r ResumeMany) ([]Result, error) {
	body, err := post[Resumed](ctx, c, r, "pipelines", pipeline, "resume-many")
	return body.Results, err
}

// Skip gives up the record of a halt. It returns like Resume.
func (c *Client) Skip(ctx context.Context, pipeline string, s Skip) (Done, error) {
	return post[Done](ctx, c, s, "pipelines", pipeline, "skip")
}

// Pause stops reading a partition until Resume, or until its time. The answer says whether the
// pause survives a restart.
func (c *Client) Pause(ctx context.Context, pipeline string, p Pause) (Done, error) {
	return post[Done](ctx, c, p, "pipelines", pipeline, "pause")
}

// PauseAll is Pause for a pipeline. A partition that was not as the caller saw it stops none of the
// others: see PauseResult. ResumeMany ends the pauses.
func (c *Client) PauseAll(ctx context.Context, pipeline string, p PauseAll) ([]PauseResult, error) {
	body, err := post[Paused](ctx, c, p, "pipelines", pipeline, "pause-all")
	return body.Results, err
}

// Park stops one key of a partition until Resume, or until its time. All other keys continue.
func (c *Client) Park(ctx context.Context, pipeline string, p Park) (Done, error) {
	return post[Done](ctx, c, p, "pipelines", pipeline, "park")
}

// SetDegree changes how many elements a step works on at a time, until restart. Nothing at work is
// ended. The answer says how many are above the new number.
func (c *Client) SetDegree(ctx context.Context, pipeline string, d SetDegree) (Done, error) {
	return post[Done](ctx, c, d, "pipelines", pipeline, "degree")
}

// SetRate changes how many elements pass a Throttle in a second, or how many records the pipeline
// starts, until restart.
func (c *Client) SetRate(ctx context.Context, pipeline string, r SetRate) (Done, error) {
	return post[Done](ctx, c, r, "pipelines", pipeline, "rate")
}

// Drain drains all pipelines of the process and ends it. It does not wait for the end.
func (c *Client) Drain(ctx context.Context, d Drain) (Done, error) {
	return post[Done](ctx, c, d, "drain")
}

func get[T any](ctx context.Context, c *Client, query url.Values, path ...string) (body T, err error) {
	return body, c.ask(ctx, http.MethodGet, c.url(query, path), nil, &body)
}

func post[T any](ctx context.Context, c *Client, change any, path ...string) (body T, err error) {
	raw, err := json.Marshal(change)
	if err != nil {
		return body, err
	}
	return body, c.ask(ctx, http.MethodPost, c.url(nil, path), raw, &body)
}

func (c *Client) url(query url.Values, path []string) string {
	u := &url.URL{Scheme: c.scheme, Host: c.addr, Path: "/v1", RawQuery: query.Encode()}
	for i, p := range path {
		path[i] = url.PathEscape(p)
	}
	return u.JoinPath(path...).String()
}

// answerMost bounds the memory that an answer takes: more than a process with 10,000 halts sends.
const answerMost = 64 << 20

func (c *Client) ask(ctx context.Context, method, url string, body []byte, into any) error {
	raw, resp, err := c.send(ctx, "", method, url, body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusOK:
		if err := json.Unmarshal(raw, into); err != nil {
			return fmt.Errorf("the answer is not one of an admin API: %w", err)
		}
		return nil
	}
	refused := &Problem{}
	if json.Unmarshal(raw, refused) != nil || refused.Status != resp.StatusCode {
		return fmt.Errorf("the answer is not one of an admin API: %s", resp.Status)
	}
	return refused
}

func (c *Client) exchange(req *http.Request) ([]byte, *http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		if inside, is := errors.AsType[*url.Error](err); is { // the URL is told beside it
			err = inside.Err
		}
		return nil, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, answerMost+1))
	if err == nil && len(raw) > answerMost {
		err = fmt.Errorf("the answer is larger than %d bytes", answerMost)
	}
	return raw, resp, err
}
