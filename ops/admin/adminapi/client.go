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
	query := url.Values{}
	if of.Source != "" {
		query.Set("source", of.Source)
	}
	return get[Explanation](ctx, c, query, "pipelines", pipeline, "partitions", of.Topic, strconv.Itoa(of.Partition))
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

// Resume tries the record of a halt again, or ends a pause or a park by hand. It returns
// once that has happened, or
// after a second.
func (c *Client) Resume(ctx context.Context, pipeline string, r Resume) (Done, error) {
	return c.post(ctx, r, "pipelines", pipeline, "resume")
}

// Skip gives up the record of a halt. It returns like Resume.
func (c *Client) Skip(ctx context.Context, pipeline string, s Skip) (Done, error) {
	return c.post(ctx, s, "pipelines", pipeline, "skip")
}

// Pause stops reading a partition until Resume, or until its time. The answer says whether the
// pause survives a restart.
func (c *Client) Pause(ctx context.Context, pipeline string, p Pause) (Done, error) {
	return c.post(ctx, p, "pipelines", pipeline, "pause")
}

// Park stops one key of a partition until Resume, or until its time. All other keys continue.
func (c *Client) Park(ctx context.Context, pipeline string, p Park) (Done, error) {
	return c.post(ctx, p, "pipelines", pipeline, "park")
}

// Drain drains all pipelines of the process, which then ends. It does not wait for that.
func (c *Client) Drain(ctx context.Context, d Drain) (Done, error) {
	return c.post(ctx, d, "drain")
}

func get[T any](ctx context.Context, c *Client, query url.Values, path ...string) (body T, err error) {
	return body, c.ask(ctx, http.MethodGet, c.url(query, path), nil, &body)
}

func (c *Client) post(ctx context.Context, change any, path ...string) (done Done, err error) {
	raw, err := json.Marshal(change)
	if err != nil {
		return done, err
	}
	return done, c.ask(ctx, http.MethodPost, c.url(nil, path), raw, &done)
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
