package adminapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Relayed is an answer as a process has given it.
type Relayed struct {
	Status      int
	ContentType string
	Body        []byte
}

// As returns the client of another caller; an empty token is none. Both share their connections.
func (c *Client) As(token string) *Client {
	other := *c
	other.token = token
	return &other
}

// Relay sends a request as it is, and returns the answer whatever its status is. path is escaped,
// and begins with /v1/. body nil: none. from is the address of the caller, which the process logs
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
