package validate

import (
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/stretchr/testify/require"
)

const (
	root   = "../../.."
	images = "../../image"
)

// instruction is one line of a Dockerfile.
type instruction struct {
	name  string
	flags []string
	words []string
}

func dockerfile(t *testing.T, name string) (lines []instruction) {
	file, err := os.Open(filepath.Join(images, name))
	require.NoError(t, err)
	defer file.Close()
	parsed, err := parser.Parse(file)
	require.NoError(t, err)
	require.Empty(t, parsed.Warnings)
	for _, node := range parsed.AST.Children {
		one := instruction{name: strings.ToUpper(node.Value), flags: node.Flags}
		for word := node.Next; word != nil; word = word.Next {
			one.words = append(one.words, word.Value)
		}
		lines = append(lines, one)
	}
	return lines
}

// TestImages: the last stage is from scratch, holds what the first one built and
// nothing else, and runs as nobody.
func TestImages(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(images, "*.Dockerfile"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 2)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			lines := dockerfile(t, filepath.Base(file))
			text := ""
			last, user, certificates := 0, "", false
			for i, line := range lines {
				switch line.name {
				case "FROM":
					last, user = i, ""
				case "USER":
					user = line.words[0]
				case "RUN":
					text += strings.Join(line.words, " ") + "\n"
				case "COPY":
					checkCopy(t, line, text)
					certificates = certificates || strings.HasSuffix(line.words[0], "ca-certificates.crt")
				}
			}
			require.Equal(t, "scratch", lines[last].words[0])
			require.Equal(t, "65532:65532", user)
			require.True(t, certificates)
			require.True(t, slices.ContainsFunc(lines, func(line instruction) bool {
				return line.name == "ENV" && slices.Equal(line.words[:2], []string{"CGO_ENABLED", "0"})
			}), "programs are linked statically")
		})
	}
}

// checkCopy: what is copied is there: in this repository, made by a RUN, or a
// file that the base image has.
func checkCopy(t *testing.T, line instruction, built string) {
	source := line.words[0]
	if len(line.flags) == 0 {
		_, err := os.Stat(filepath.Join(root, source))
		require.NoError(t, err)
		return
	}
	require.Equal(t, []string{"--from=build"}, line.flags)
	if source == "/etc/ssl/certs/ca-certificates.crt" {
		return // Debian's, which the image golang is made of
	}
	require.Contains(t, built, "-o "+source+" ", "nothing makes %s", source)
}

// programs is where what the images hold is built, a folder for each.
var programs string

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "programs"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(programs)
	os.Exit(code)
}

// build runs the RUN lines of a Dockerfile on this machine, once, and returns the
// folder of what they built.
func build(t *testing.T, name string) (folder string) {
	folder = filepath.Join(programs, name)
	if err := os.Mkdir(folder, 0o755); errors.Is(err, os.ErrExist) {
		return folder
	}
	for _, line := range dockerfile(t, name) {
		if line.name != "RUN" {
			continue
		}
		cmd := exec.Command("sh", "-c", strings.ReplaceAll(line.words[0], " /out/", " "+folder+"/"))
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", line.words[0], out)
	}
	return folder
}

// TestProgramsAreStatic: an image from scratch has no loader and no library.
func TestProgramsAreStatic(t *testing.T) {
	for _, file := range []string{"worker.Dockerfile", "sweep.Dockerfile"} {
		folder := build(t, file)
		programs, err := os.ReadDir(folder)
		require.NoError(t, err)
		require.NotEmpty(t, programs)
		for _, program := range programs {
			binary, err := elf.Open(filepath.Join(folder, program.Name()))
			require.NoError(t, err)
			defer binary.Close()
			for _, part := range binary.Progs {
				require.NotEqual(t, elf.PT_INTERP, part.Type, "%s wants a loader", program.Name())
			}
			libraries, err := binary.ImportedLibraries()
			require.NoError(t, err)
			require.Empty(t, libraries, program.Name())
		}
	}
}
