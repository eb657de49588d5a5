module github.com/laneway-go/laneway/examples

go 1.27.0

replace github.com/laneway-go/laneway => ../
