// The twin of saver.c for Node.js.
const fs = require("fs");

const [directory, acks, ...remembered] = process.argv.slice(2);
const ackFile = fs.openSync(acks, "a");
for (const number of [1, 2, 3]) {
  const file = fs.openSync(`${directory}/config.new`, "w");
  fs.writeSync(file, `${number}\n`);
  if (remembered.includes("file")) fs.fsyncSync(file);
  fs.closeSync(file);
  fs.renameSync(`${directory}/config.new`, `${directory}/config`);
  if (remembered.includes("directory")) {
    const opened = fs.openSync(directory, "r");
    fs.fsyncSync(opened);
    fs.closeSync(opened);
  }
  fs.writeSync(ackFile, `ACK ${number}\n`);
}
