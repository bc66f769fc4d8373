// Command tikv-server is a TiKV and a PD for tests on one machine.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/gauntlet-dst/gauntlet/e2e/tikvserver"
)

func main() {
	if err := command().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "tikv-server:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var (
		cfg             tikvserver.Config
		listen, gateway string
		doors           []string
	)
	cmd := &cobra.Command{
		Use:   "tikv-server --log FILE --listen 127.0.0.1:PORT --door 127.0.0.1:PORT [--door ...]",
		Short: "a TiKV and a PD for tests on one machine: what was acknowledged survives kill -9",
		Args:  cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error { return run(cfg, listen, gateway, doors) },
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Log, "log", "", "the write-ahead log's file")
	flags.StringVar(&listen, "listen", "127.0.0.1:0", "where the store listens; of the loopback network only")
	flags.StringVar(&gateway, "gateway", "", "where the gateway for HTTP and JSON listens; nowhere if empty")
	flags.StringArrayVar(&doors, "door", nil,
		"where PD listens, and the addresses that it tells if they are others: LISTEN[,PD,STORE]; may be given often")
	flags.StringSliceVar(&cfg.Splits, "split", nil, "the keys at which regions begin, rising")
	for _, name := range []string{"log", "door"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err)
		}
	}
	return cmd
}

// run serves until a signal asks it to stop. It prints a line when all addresses
// are open.
func run(cfg tikvserver.Config, listen, gateway string, doors []string) error {
	store, err := tikvserver.ListenLoopback(listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	type served struct {
		server *grpc.Server
		at     net.Listener
	}
	var all []served
	server, dropped, err := tikvserver.New(cfg)
	if err != nil {
		return err
	}
	all = append(all, served{server.Store(), store})
	line := "store=" + store.Addr().String()
	for _, text := range doors {
		fields := strings.Split(text, ",")
		if len(fields) != 1 && len(fields) != 3 {
			return fmt.Errorf("--door: %q, allowed: LISTEN or LISTEN,PD,STORE", text)
		}
		at, err := tikvserver.ListenLoopback(fields[0])
		if err != nil {
			return fmt.Errorf("--door: %w", err)
		}
		door := tikvserver.Door{PD: at.Addr().String(), KV: store.Addr().String()}
		if len(fields) == 3 {
			door = tikvserver.Door{PD: fields[1], KV: fields[2]}
		}
		all = append(all, served{server.PD(door), at})
		line += " pd=" + at.Addr().String()
	}
	ended := make(chan error, len(all)+1)
	if gateway != "" {
		at, err := tikvserver.ListenLoopback(gateway)
		if err != nil {
			return fmt.Errorf("--gateway: %w", err)
		}
		web := &http.Server{Handler: server.Gateway(), ReadHeaderTimeout: 10 * time.Second}
		defer web.Close()
		go func() { ended <- web.Serve(at) }()
		line += " gateway=" + at.Addr().String()
	}
	for _, s := range all {
		go func() { ended <- s.server.Serve(s.at) }()
	}
	fmt.Printf("tikv-server: ready %s dropped=%d\n", line, dropped)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case err = <-ended:
	case <-stop:
	}
	for _, s := range all {
		s.server.Stop()
	}
	if closed := server.Close(); err == nil {
		err = closed
	}
	return err
}
