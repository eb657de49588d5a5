# The few commands. Go 1.21 or newer fetches the toolchain that the module names.
export GOTOOLCHAIN = auto
hugo = github.com/gohugoio/hugo@v0.161.0

.PHONY: run test check gate site serve-site

run: # a real worker on an embedded broker
	go run ./examples/quickstart

test: # all that needs nothing but Go
	go test ./... ./cmd/laneway/... ./examples/...

check: # the map, the pages and their codes, in seconds
	go vet . && go test .

gate: # what a change has to pass: race detector, PostgreSQL, Apache Kafka
	bash .ci/run

site: # the pages of docs as a static site, in site/public
	go run $(hugo) build --source site --destination public --cleanDestinationDir --noBuildLock --panicOnWarning

serve-site: # the same, at localhost:1313, as you write
	go run $(hugo) server --source site --noBuildLock
