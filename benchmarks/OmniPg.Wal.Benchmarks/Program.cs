using BenchmarkDotNet.Running;
using OmniPg.Wal.Benchmarks;

// Runs that move files and start programs time themselves, case by case in turn; the rest is BenchmarkDotNet's.
switch (args)
{
    case ["copier", var dataDirectory]:
        await new CopierRun(new SegmentSet(dataDirectory)).RunAsync();
        break;
    case ["stages", var dataDirectory]:
        new CopierStages(new SegmentSet(dataDirectory)).Run();
        break;
    case ["presets", .. var dataDirectories]:
        new PresetRun(dataDirectories).Run();
        break;
    case ["memory", var dataDirectory]:
        await CopierMemory.RunAsync(new SegmentSet(dataDirectory));
        break;
    case ["allocations", var dataDirectory]:
        await CopierAllocations.RunAsync(new SegmentSet(dataDirectory));
        break;
    case ["backlog", var dataDirectory, var count, var program, .. var rounds]:
        await new BacklogRun(new SegmentSet(dataDirectory), Number([count], 0, 0), program).RunAsync(Number(rounds, 0, 5));
        break;
    case ["resident-soak", var dataDirectory, var program, var count, .. var options]:
        await ResidentSoak.RunAsync(new SegmentSet(dataDirectory), Path.GetFullPath(program), Number([count], 0, 0), options);
        break;
    case ["bucket", var dataDirectory, var count, var program, .. var rounds]:
        await new BucketFigures(new SegmentSet(dataDirectory), Number([count], 0, 0), Path.GetFullPath(program)).RunAsync(Number(rounds, 0, 3));
        break;
    case ["backup", var program, .. var options]:
        await BackupFigures.RunAsync(program, options);
        break;
    case ["receiver", var program, .. var options]:
        await ReceiverFigures.RunAsync(program, options);
        break;
    case ["synchronous", var program, .. var options]:
        await SynchronousFigures.RunAsync(program, options);
        break;
    case ["drill", var program, .. var options]:
        await DrillFigures.RunAsync(program, options);
        break;
    case ["soak", var dataDirectory, var count]:
        await CopierSoak.RunAsync(new SegmentSet(dataDirectory), Number([count], 0, 0));
        break;
    case ["zero-rpo", "--kills", var kills, "--seed", var seed]:
        var outcomes = await ZeroRpoRun.RunAsync(Number([kills], 0, 0), Number([seed], 0, 0), Console.WriteLine);
        return outcomes.Any(static outcome => outcome.Lost.Length > 0) ? 1 : 0;
    case ["targets", "--rounds", var rounds, "--seed", var seed]:
        var targets = await RandomTargets.RunAsync(Number([rounds], 0, 0), Number([seed], 0, 0), Console.WriteLine);
        return targets.Any(static target => target.Predicted != target.Found) ? 1 : 0;
    case ["receiver-kills", "--kills", var kills, "--seed", var seed]:
        var killed = await ReceiverKills.RunAsync(Number([kills], 0, 0), Number([seed], 0, 0), Console.WriteLine);
        return killed.Any(static kill => kill.Fault is not null) ? 1 : 0;
    case ["backup-kills", "--kills", var kills, "--seed", var seed, .. var kinds]:
        var works = await BackupKills.RunAsync(Number([kills], 0, 0), Number([seed], 0, 0), Console.WriteLine, kinds is [] ? null : kinds);
        return works.Any(static work => work.Fault is not null) ? 1 : 0;
    case ["kills", var dataDirectory, var program, .. var options]:
        await ArchiveKills.RunAsync(dataDirectory, program, options);
        break;
    case ["flips", var dataDirectory, .. var numbers]:
        await BitFlips.RunAsync(new SegmentSet(dataDirectory), Number(numbers, 0, 1000), Number(numbers, 1, 1));
        break;
    default:
        BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
        break;
}

return 0;

static int Number(string[] words, int at, int otherwise) => words.Length > at ? int.Parse(words[at], System.Globalization.CultureInfo.InvariantCulture) : otherwise;
