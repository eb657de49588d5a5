module github.com/laneway-go/laneway/internal/consoletest

go 1.27.0

replace github.com/laneway-go/laneway => ../../

require (
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/klauspost/compress v1.20.1 // indirect
	github.com/pierrec/lz4/v4 v4.1.30 // indirect
	github.com/sourcegraph/conc v0.3.0 // indirect
	go.uber.org/multierr v1.10.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
	github.com/laneway-go/laneway v0.0.0
	github.com/segmentio/kafka-go v0.4.51
	go.uber.org/goleak v1.3.0
)
