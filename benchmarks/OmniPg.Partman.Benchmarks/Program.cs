// Commands, each on a server of its own:
//   kills [--kills N] [--seed S]   a process that converts a table under writers is killed N times, and another one goes on
//   undo-kills [--kills N] [--seed S]   the same with a process that undoes sets
//   convert [ROWS]                 rows per second of a conversion under writers beside INSERT … SELECT, and the longest stall of a writer
switch (args.FirstOrDefault())
{
    case "kills":
        await KillStress.RunAsync(args);
        break;
    case "converter":
        await KillStress.ConvertAsync(args[1]);
        break;
    case "undo-kills":
        await UndoKills.RunAsync(KillStress.Number(args, "--kills", 200), KillStress.Number(args, "--seed", 1));
        break;
    case "undo":
        await UndoKills.UndoAsync(args[1], int.Parse(args[2], System.Globalization.CultureInfo.InvariantCulture));
        break;
    case "convert":
        await ConversionBench.RunAsync(args.Length > 1 ? int.Parse(args[1], System.Globalization.CultureInfo.InvariantCulture) : 1_000_000);
        break;
    default:
        Console.Error.WriteLine("kills [--kills N] [--seed S] | undo-kills [--kills N] [--seed S] | convert [ROWS]");
        Environment.Exit(64);
        break;
}
