using System.Diagnostics;
using System.Globalization;
using Npgsql;
using OmniPg;
using OmniPg.Partman;
using OmniPg.Partman.Tests.Converting;
using OmniPg.Testing;

/// <summary>
/// Converts a table under writers in a process that is killed at any moment: there and back, over and over, or, where nothing leads back, one table after another.
/// </summary>
internal static class KillStress
{
    private const int Rows = 2000;

    // Writers go 21 days ahead.
    private const int WindowDays = 30;

    public static async Task RunAsync(string[] args)
    {
        var (kills, seed) = (Number(args, "--kills", 200), Number(args, "--seed", 1));
        var at = Array.IndexOf(args, "--strategy");
        if (at >= 0 && Enum.Parse<ConversionStrategy>(args[at + 1]) is var strategy and not ConversionStrategy.CopyAndSwap)
        {
            await InPlaceAsync(strategy, kills, seed);
            return;
        }
        var chance = new Random(seed);
        await using var cluster = await PgCluster.StartAsync();
        await using var database = await cluster.CreateDatabaseAsync();
        await database.ExecuteAsync(ShadowWriters.Tables.Replace("{rows}", Rows.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal));
        await using var writers = new ShadowWriters(database.ConnectionString, 5, Rows, seed, truncates: 5);
        var partman = new PartmanClient(database.DataSource);
        var (done, rounds, phases) = (0, 0, new SortedDictionary<string, int>());
        while (done < kills)
        {
            if (await EndsAsync(database.ConnectionString, ConversionStrategy.CopyAndSwap, chance.Next(5, 4000)))
            {
                rounds++;
            }
            else
            {
                done++;
                var phase = await PhaseAsync(partman);
                phases[phase] = phases.GetValueOrDefault(phase) + 1;
            }
            if (await database.ScalarAsync<long>(ShadowWriters.Differences) is > 0 and var different)
                throw new InvalidOperationException($"{different} rows differ behind {done} kills (seed {seed}).");
        }
        await writers.StopAsync();
        var differences = await database.ScalarAsync<long>(ShadowWriters.Differences);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"seed {seed}: {done} kills ({string.Join(", ", phases.Select(p => $"{p.Value} {p.Key}"))}), {rounds} ways to an end, {writers.Done} transactions of 5 writers, {differences} rows different, longest transaction {writers.Longest.TotalSeconds:0.00} s"));
        if (differences != 0)
            Environment.Exit(1);
    }

    private static async Task InPlaceAsync(ConversionStrategy strategy, int kills, int seed)
    {
        var chance = new Random(seed);
        await using var cluster = await PgCluster.StartAsync();
        var (done, rounds, transactions, longest, phases) = (0, 0, 0, TimeSpan.Zero, new SortedDictionary<string, int>());
        while (done < kills)
        {
            await using var database = await cluster.CreateDatabaseAsync();
            await database.ExecuteAsync(ShadowWriters.Tables.Replace("{rows}", Rows.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal));
            await using var writers = new ShadowWriters(database.ConnectionString, 5, Rows, seed + rounds, truncates: rounds % 2);
            var partman = new PartmanClient(database.DataSource);
            // On a machine with much other work the first step alone may take longer than that.
            for (var patience = 700; !await EndsAsync(database.ConnectionString, strategy, chance.Next(5, patience)); patience += 100)
            {
                done++;
                var phase = await PhaseAsync(partman);
                phases[phase] = phases.GetValueOrDefault(phase) + 1;
            }
            rounds++;
            await writers.StopAsync();
            (transactions, longest) = (transactions + writers.Done, writers.Longest > longest ? writers.Longest : longest);
            if (await database.ScalarAsync<long>(ShadowWriters.Differences) is > 0 and var different)
                throw new InvalidOperationException($"{different} rows differ behind {done} kills (seed {seed}).");
            if (await database.ScalarAsync<string>("SELECT relkind::text FROM pg_class WHERE oid = 'orders'::regclass") != "p")
                throw new InvalidOperationException($"'orders' is no set behind {done} kills (seed {seed}).");
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{strategy}, seed {seed}: {done} kills ({string.Join(", ", phases.Select(p => $"{p.Value} {p.Key}"))}), {rounds} tables to their end, {transactions} transactions of 5 writers, 0 rows different, longest transaction {longest.TotalSeconds:0.00} s"));
    }

    /// <summary>Lets a process convert; false where its time was up and it was killed.</summary>
    private static async Task<bool> EndsAsync(string connection, ConversionStrategy strategy, int milliseconds)
    {
        using var child = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["converter", connection, $"{strategy}"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (output, error) = (child.StandardOutput.ReadLineAsync(), child.StandardError.ReadToEndAsync());
        // Its first line says that it is at work; what it takes to start is no phase.
        await output;
        using var patience = new CancellationTokenSource(milliseconds);
        try
        {
            await child.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            child.Kill();
            await child.WaitForExitAsync();
            return false;
        }
        return child.ExitCode == 0 ? true : throw new InvalidOperationException($"The converter failed: {await error}");
    }

    /// <summary>One way: what is open is brought to its next end, else a conversion begins.</summary>
    public static async Task ConvertAsync(string connection, ConversionStrategy strategy)
    {
        await using var source = NpgsqlDataSource.Create(connection + ";Pooling=false");
        var partman = new PartmanClient(source, new PartmanOptions { LockAttempts = 1000, MaxBackoff = TimeSpan.FromMilliseconds(200), LockTimeout = TimeSpan.FromSeconds(1) });
        while (true)
        {
            try
            {
                var all = await partman.ListConversionsAsync();
                var open = all.FirstOrDefault(c => c.IsOpen);
                Console.WriteLine("at work");
                if (open is null && all.Count > 0 && strategy != ConversionStrategy.CopyAndSwap)
                    return;
                _ = open switch
                {
                    null => await partman.ConvertAsync(QualifiedName.Parse("public.orders"), new ConversionOptions
                    {
                        Strategy = strategy, Set = new PartitionSetOptions { Control = "at", Interval = PgInterval.OfDays(2) }, BatchSize = strategy == ConversionStrategy.CopyAndSwap ? 300 : null,
                        SafetyWindow = strategy == ConversionStrategy.AttachAsLegacy ? PgInterval.OfDays(WindowDays) : (PgInterval?)null,
                    }),
                    { Phase: ConversionPhase.Created or ConversionPhase.Copying or ConversionPhase.Draining } => await partman.ResumeConversionAsync(open.Id),
                    { Phase: ConversionPhase.Swapped } => await partman.SwapBackAsync(open.Id),
                    _ => await partman.FinishConversionAsync(open.Id),
                };
                return;
            }
            catch (PartmanBusyException)
            {
                // The backends of the one before are not gone yet.
                await Task.Delay(20);
            }
        }
    }

    private static async Task<string> PhaseAsync(PartmanClient partman)
    {
        var last = (await partman.ListConversionsAsync()) is [.., var one] ? one : null;
        return last is null or { IsOpen: false } ? "at rest" : $"{last.Phase}";
    }

    public static int Number(string[] args, string name, int usual) =>
        Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? int.Parse(args[at + 1], CultureInfo.InvariantCulture) : usual;
}
