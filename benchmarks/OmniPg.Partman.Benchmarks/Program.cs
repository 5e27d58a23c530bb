// Commands, each on a server of its own:
//   kills [--kills N] [--seed S] [--strategy CopyAndSwap|AttachAsLegacy|DrainDefault]   a process that converts a table under writers is killed N times, and another one goes on
//   undo-kills [--kills N] [--seed S]   the same with a process that undoes sets
//   convert [ROWS]                 a conversion, idle and under writers, beside INSERT … SELECT and partition_data_proc, with its parts
//   days [--days N] [--rounds R]   a set of many days made, and looked at when nothing is to do, beside create_parent and run_maintenance
//   sets [--sets N] [--children C] one look at many sets that need nothing, with its round trips
//   stalls [--rows N] [--seconds S] how long statements of others wait for each change of a set
//   archive [--rows N] [--rounds R] an archive of a partition beside psql COPY | zstd -1
// Beside pg_partman 5 where OMNIPG_PG_BIN names a server that offers it.
switch (args.FirstOrDefault())
{
    case "kills":
        await KillStress.RunAsync(args);
        break;
    case "converter":
        await KillStress.ConvertAsync(args[1], Enum.Parse<OmniPg.Partman.ConversionStrategy>(args[2]));
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
    case "days":
        await SetBench.DaysAsync(KillStress.Number(args, "--days", 1001), KillStress.Number(args, "--rounds", 4));
        break;
    case "sets":
        await SetBench.ManyAsync(KillStress.Number(args, "--sets", 1000), KillStress.Number(args, "--children", 100));
        break;
    case "stalls":
        await StallBench.RunAsync(KillStress.Number(args, "--rows", 1_000_000), KillStress.Number(args, "--seconds", 10));
        break;
    case "archive":
        await ArchiveBench.RunAsync(KillStress.Number(args, "--rows", 2_000_000), KillStress.Number(args, "--rounds", 3));
        break;
    default:
        Console.Error.WriteLine("kills [--strategy S] | undo-kills [--kills N] [--seed S] · convert [ROWS] · days [--days N] [--rounds R] · sets [--sets N] [--children C] · stalls [--rows N] [--seconds S] · archive [--rows N] [--rounds R]");
        Environment.Exit(64);
        break;
}
