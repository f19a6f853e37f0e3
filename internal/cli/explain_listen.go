package cli

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/conftool/confctl/internal/serve"
)

// explainListen explains an address that serve cannot listen on.
func explainListen(e *serve.ListenError, err error) (code int, msg, hint string) {
	host, port, _ := net.SplitHostPort(e.At.Text)
	instead := func(address string) string {
		if e.At.Option != "" {
			return e.At.Option + " " + address
		}
		return address + " at " + e.At.Pos.String()
	}
	elsewhere, local := instead(net.JoinHostPort(host, "PORT")), "to have it listen on this host alone: "+instead("127.0.0.1:"+port)
	switch {
	case errors.Is(e.Err, syscall.EADDRINUSE):
		hint = fmt.Sprintf("something listens there already, maybe another confctl serve; what it is: %s\n"+
			"to have this one listen elsewhere: %s", commandLine([]string{"ss", "-ltnp", "sport = :" + port}), elsewhere)
	case errors.Is(e.Err, syscall.EACCES):
		hint = "ports below 1024 are for root, and for units with AmbientCapabilities=CAP_NET_BIND_SERVICE\n" +
			"to have it listen elsewhere: " + elsewhere
	case errors.Is(e.Err, syscall.EADDRNOTAVAIL):
		hint = host + " is not an address of this host; those it has: ip -brief address\n" + local
	default:
		hint = local
	}
	return exitUsage, message(err), hint
}
