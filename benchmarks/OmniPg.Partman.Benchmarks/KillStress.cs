using System.Diagnostics;
using System.Globalization;
using Npgsql;
using OmniPg;
using OmniPg.Partman;
using OmniPg.Partman.Tests.Converting;
using OmniPg.Testing;

/// <summary>Converts a table there and back, over and over, under writers, in a process that is killed at any moment.</summary>
internal static class KillStress
{
    private const int Rows = 2000;

    public static async Task RunAsync(string[] args)
    {
        var (kills, seed) = (Number(args, "--kills", 200), Number(args, "--seed", 1));
        var chance = new Random(seed);
        await using var cluster = await PgCluster.StartAsync();
        await using var database = await cluster.CreateDatabaseAsync();
        await database.ExecuteAsync(ShadowWriters.Tables.Replace("{rows}", Rows.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal));
        await using var writers = new ShadowWriters(database.ConnectionString, 5, Rows, seed, truncates: 5);
        var partman = new PartmanClient(database.DataSource);
        var (done, rounds, phases) = (0, 0, new SortedDictionary<string, int>());
        while (done < kills)
        {
            using var child = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["converter", database.ConnectionString]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var (output, error) = (child.StandardOutput.ReadLineAsync(), child.StandardError.ReadToEndAsync());
            // Its first line says that it is at work; what it takes to start is no phase.
            await output;
            using var patience = new CancellationTokenSource(chance.Next(5, 4000));
            try
            {
                await child.WaitForExitAsync(patience.Token);
                rounds++;
                if (child.ExitCode != 0)
                    throw new InvalidOperationException($"The converter failed: {await error}");
            }
            catch (OperationCanceledException)
            {
                child.Kill();
                await child.WaitForExitAsync();
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

    /// <summary>One way: what is open is brought to its next end, else a conversion begins.</summary>
    public static async Task ConvertAsync(string connection)
    {
        await using var source = NpgsqlDataSource.Create(connection + ";Pooling=false");
        var partman = new PartmanClient(source, new PartmanOptions { LockAttempts = 1000, MaxBackoff = TimeSpan.FromMilliseconds(200), LockTimeout = TimeSpan.FromSeconds(1) });
        while (true)
        {
            try
            {
                var open = (await partman.ListConversionsAsync()).FirstOrDefault(c => c.IsOpen);
                Console.WriteLine("at work");
                _ = open switch
                {
                    null => await partman.ConvertAsync(QualifiedName.Parse("public.orders"), new ConversionOptions { Set = new PartitionSetOptions { Control = "at", Interval = PgInterval.OfDays(2) }, BatchSize = 300 }),
                    { Phase: ConversionPhase.Created or ConversionPhase.Copying } => await partman.ResumeConversionAsync(open.Id),
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
