using System.Diagnostics;
using System.Globalization;
using Npgsql;
using OmniPg;
using OmniPg.Partman;
using Spectre.Console;

namespace PartitionedEvents;

/// <summary>Writers fill a table of events, a maintenance every half second keeps its partitions, and at the end every row is accounted for.</summary>
internal sealed class EventsWorker(NpgsqlDataSource dataSource, PartmanClient partman)
{
    private const int Writers = 3;
    private static readonly QualifiedName Events = QualifiedName.Parse("partitioned_events.events");

    private readonly List<string> _archived = [];
    private long _written;

    public static async Task<int> RunAsync(NpgsqlDataSource dataSource, TimeSpan time, CancellationToken cancellationToken)
    {
        var archive = Directory.CreateTempSubdirectory("partitioned-events-");
        try
        {
            var partman = new PartmanClient(dataSource, archive: new DirectoryObjectStore(archive.FullName));
            return await new EventsWorker(dataSource, partman).RunAsync(time, cancellationToken);
        }
        finally
        {
            archive.Delete(recursive: true);
        }
    }

    private async Task<int> RunAsync(TimeSpan time, CancellationToken cancellationToken)
    {
        // Whoever has such a schema keeps it: the sample ends here then.
        await ExecuteAsync("CREATE SCHEMA partitioned_events", cancellationToken);
        try
        {
            return await KeepAsync(time, cancellationToken);
        }
        finally
        {
            await ExecuteAsync("DROP SCHEMA partitioned_events CASCADE", CancellationToken.None);
            await partman.ForgetAsync(Events, CancellationToken.None);
        }
    }

    private async Task<int> KeepAsync(TimeSpan time, CancellationToken cancellationToken)
    {
        await ExecuteAsync("CREATE TABLE partitioned_events.events (at timestamptz NOT NULL DEFAULT clock_timestamp(), payload text) PARTITION BY RANGE (at)", cancellationToken);
        // A day and a year in small: a partition takes two seconds, and is archived ten seconds later. Without a default nobody waits when one goes.
        await partman.CreateAsync(Events, new PartitionSetOptions
        {
            Control = "at", Interval = PgInterval.Parse("2 seconds"), Premake = 5, DefaultPartition = false,
            Retention = PgInterval.Parse("10 seconds"), WhenExpired = ExpiredAction.Archive,
        }, cancellationToken);

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var work = Enumerable.Range(0, Writers).Select(_ => WriteAsync(stop.Token)).Append(MaintainAsync(stop.Token)).ToList();
        var clock = Stopwatch.StartNew();
        try
        {
            while (clock.Elapsed < time && !work.Exists(w => w.IsCompleted))
            {
                await Task.Delay(TimeSpan.FromSeconds(Math.Min(5, time.TotalSeconds)), cancellationToken);
                await ShowAsync(cancellationToken);
            }
        }
        finally
        {
            // Whatever ends it: an archive that is under way comes to its end before its schema and its folder go.
            await stop.CancelAsync();
            await Task.WhenAll(work);
        }
        return await AccountAsync(cancellationToken) ? 0 : 1;
    }

    private async Task WriteAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await ExecuteAsync("INSERT INTO partitioned_events.events (payload) SELECT repeat(md5(n::text), 4) FROM generate_series(1, 50) n", CancellationToken.None);
            Interlocked.Add(ref _written, 50);
            await Task.Delay(10, CancellationToken.None);
        }
    }

    private async Task MaintainAsync(CancellationToken stop)
    {
        var progress = new Changes(change =>
        {
            if (change.Fate == PartitionFate.Archive)
                _archived.Add($"{change.Partition.Schema}.{change.Partition.Name}.manifest.json");
        });
        while (!stop.IsCancellationRequested)
        {
            var result = await partman.MaintainAsync(new MaintenanceOptions { Table = Events }, progress, CancellationToken.None);
            foreach (var set in result.Sets.Where(s => s.Error is not null))
                AnsiConsole.WriteLine($"maintenance: {set.Error!.Message}");
            await Task.Delay(500, CancellationToken.None);
        }
    }

    private async Task ShowAsync(CancellationToken cancellationToken)
    {
        var partitions = await partman.ListPartitionsAsync(Events, cancellationToken);
        var chart = new BarChart().Width(80).Label(string.Create(CultureInfo.InvariantCulture, $"KiB in each partition; {Interlocked.Read(ref _written):N0} rows written, {_archived.Count} partitions archived"));
        foreach (var partition in partitions)
            chart.AddItem(Markup.Escape($"{partition.Lower}"), partition.TotalBytes / 1024, partition.Fate == PartitionFate.Archive ? Color.Yellow : partition.TotalBytes > 100_000 ? Color.Green : Color.Grey);
        AnsiConsole.Write(chart);
    }

    /// <summary>Every row that was written is in the table, or comes back from the archive.</summary>
    private async Task<bool> AccountAsync(CancellationToken cancellationToken)
    {
        var kept = await CountAsync(cancellationToken);
        var restored = 0L;
        foreach (var manifest in _archived)
            restored += (await partman.RestoreAsync(manifest, cancellationToken: cancellationToken)).Rows;
        var all = await CountAsync(cancellationToken);
        var isWhole = kept + restored == _written && all == _written;
        AnsiConsole.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{_written:N0} rows written; {kept:N0} in the table, {restored:N0} back from {_archived.Count} archives; now {all:N0} in the table: {(isWhole ? "none is missing" : "THAT IS WRONG")}"));
        return isWhole;
    }

    private async Task<long> CountAsync(CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand("SELECT count(*) FROM partitioned_events.events");
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private async Task ExecuteAsync(string sql, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Acts at once, where <see cref="Progress{T}"/> would act at some time.</summary>
    private sealed class Changes(Action<PartitionChange> act) : IProgress<PartitionChange>
    {
        public void Report(PartitionChange value) => act(value);
    }
}
