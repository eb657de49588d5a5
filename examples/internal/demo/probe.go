package demo

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Status requests a URL like a probe.
func Status(ctx context.Context, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// AwaitStatus polls a URL like a probe, but more often, until it has the wanted status.
func AwaitStatus(ctx context.Context, url string, want int) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := Status(ctx, url)
		if err != nil || got == want {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is %d, want %d: %w", url, got, want, context.Cause(ctx))
		}
	}
}
