// Package console is a page over the API of package admin: what is wrong and what to do about it,
// the chain with the rate and the latency of each step, the partitions and their keys, and what
// happened lately.
//
//	stream.Supervise(p).Admin(admin.At("127.0.0.1:7070", console.Page())).Run(ctx)
//
// Open http://127.0.0.1:7070 then. The page needs no network but this address. To change something
// it asks for a token of scope admin.Operate, and keeps it until its tab is closed. With
// admin.Peers it shows and operates all replicas.
package console

import (
	"embed"
	"io/fs"
	"net/http"

	"github.com/laneway-go/laneway/ops/admin"
)

//go:embed page
var files embed.FS

// Page has the API serve the console at its root.
func Page() admin.Option {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // it is embedded
	}
	return admin.Pages(http.FileServerFS(page))
}
