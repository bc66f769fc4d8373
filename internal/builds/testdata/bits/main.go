// Command bits says how wide an int is. It tells whether this machine runs programs
// of 32 bits.
package main

import "strconv"

func main() { println(strconv.IntSize) }
