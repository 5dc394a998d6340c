fn main() {
    println!("Hello from a file!");
}
