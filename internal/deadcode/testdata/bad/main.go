// Command bad has a comparison that is always true and a function that nothing
// reaches.
package main

import "fmt"

func main() {
	n := len(fmt.Sprint())
	fmt.Println(n == n)
}

func Forgotten() {}
