package adminapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Relayed is the unchanged answer of a process.
type Relayed struct {
	Status      int
	ContentType string
	Body        []byte
}

// As returns a client with the token of another caller; empty: none. Both clients share their
// connections.
func (c *Client) As(token string) *Client {
	other := *c
	other.token = token
	return &other
}

// Relay sends a request and returns its answer unchanged, whatever the status. path is escaped and
// starts with /v1/. body may be nil. from is the address of the caller, which the process logs
// beside that of the relay. The error says why there was no answer.
func (c *Client) Relay(ctx context.Context, from, method, path string, body []byte) (Relayed, error) {
	raw, resp, err := c.send(ctx, from, method, c.scheme+"://"+c.addr+path, body)
	if err != nil {
		return Relayed{}, err
	}
	return Relayed{resp.StatusCode, resp.Header.Get("Content-Type"), raw}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// send sends a request of the caller, and reads the answer. from empty: it is this process's own.
func (c *Client) send(ctx context.Context, from, method, url string, body []byte) ([]byte, *http.Response, error) {
	asking, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(asking, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if from != "" {
		req.Header.Set("X-Forwarded-For", from)
	}
	raw, resp, err := c.exchange(req)
	if err != nil && ctx.Err() == nil && errors.Is(asking.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v", c.timeout)
	}
	return raw, resp, err
}
