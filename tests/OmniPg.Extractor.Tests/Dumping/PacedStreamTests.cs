using Microsoft.Extensions.Options;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Dumping;

public sealed class PacedStreamTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Bytes_come_as_fast_as_the_clock_allows()
    {
        var time = new WaitableTimeProvider();
        using var paced = new PgDumpRun.PacedStream(new MemoryStream(new byte[1000]), bytesPerSecond: 100, time);
        var buffer = new byte[1000];

        (await paced.ReadAsync(buffer, TestContext.Current.CancellationToken)).Should().Be(10);
        var next = paced.ReadAsync(buffer, TestContext.Current.CancellationToken).AsTask();
        time.Advance(TimeSpan.FromMilliseconds(99));

        next.IsCompleted.Should().BeFalse();
        time.Advance(TimeSpan.FromMilliseconds(1));
        (await next).Should().Be(10);
    }

    [Fact]
    public async Task Time_without_bytes_earns_nothing()
    {
        var time = new WaitableTimeProvider();
        using var paced = new PgDumpRun.PacedStream(new MemoryStream(new byte[1000]), bytesPerSecond: 100, time);
        var buffer = new byte[1000];

        await paced.ReadExactlyAsync(buffer.AsMemory(0, 10), TestContext.Current.CancellationToken);
        time.Advance(TimeSpan.FromHours(1));
        await paced.ReadExactlyAsync(buffer.AsMemory(0, 10), TestContext.Current.CancellationToken);
        var next = paced.ReadAsync(buffer, TestContext.Current.CancellationToken).AsTask();

        next.IsCompleted.Should().BeFalse();
        time.Advance(TimeSpan.FromMilliseconds(100));
        (await next).Should().Be(10);
    }

    [Fact]
    public async Task Cancellation_ends_the_wait()
    {
        using var paced = new PgDumpRun.PacedStream(new MemoryStream(new byte[1000]), bytesPerSecond: 10, new WaitableTimeProvider());
        using var cancelled = new CancellationTokenSource();
        await paced.ReadExactlyAsync(new byte[1], cancelled.Token);
        var next = paced.ReadAsync(new byte[1], cancelled.Token).AsTask();

        await cancelled.CancelAsync();

        await FluentActions.Awaiting(() => next).Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task Throttled_extraction_waits_for_its_clock_and_gives_the_same_tree()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE TABLE t AS SELECT repeat('x', 1000) FROM generate_series(1, 200)", TestContext.Current.CancellationToken);
        await work.ExtractAsync(database.DataSource, "tree", o => o.Data = new DataOptions());
        var time = new WaitableTimeProvider();
        var start = time.GetUtcNow();

        var run = new SchemaExtractor(new ExtractorOptions { Tools = PgTools.Tools }, timeProvider: time).From(database.DataSource)
            .RunAsync(work.Path("tree"), new ExtractionOptions { Data = new DataOptions(), MaxBytesPerSecond = 50_000 }, cancellationToken: TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(() =>
        {
            if (time.WaitingTimers > 0)
                time.Advance(TimeSpan.FromMilliseconds(100));
            return run.IsCompleted;
        }, "the extraction has ended", cancellationToken: TestContext.Current.CancellationToken);

        (await run).Changed.Should().BeEmpty();
        (time.GetUtcNow() - start).Should().BeGreaterThan(TimeSpan.FromSeconds(3.5), "200 kB of rows come at 50 kB a second");
    }

    [Fact]
    public async Task Rate_has_no_meaning_for_an_archive_and_none_below_one()
    {
        var archive = () => new SchemaExtractor(new ExtractorOptions { Tools = PgTools.Tools }).FromArchive("/nowhere").RunAsync("/nowhere/tree", new ExtractionOptions { MaxBytesPerSecond = 1 }, cancellationToken: TestContext.Current.CancellationToken);
        var zero = () => new SchemaExtractor(new ExtractorOptions { Tools = PgTools.Tools }).From(fixture.Cluster.DataSource).RunAsync("/nowhere/tree", new ExtractionOptions { MaxBytesPerSecond = 0 }, cancellationToken: TestContext.Current.CancellationToken);

        (await archive.Should().ThrowAsync<OptionsValidationException>()).WithMessage("MaxBytesPerSecond slows a pg_dump down; an archive that exists already has none.");
        (await zero.Should().ThrowAsync<OptionsValidationException>()).WithMessage("MaxBytesPerSecond is '0', it must be at least '1'.");
    }
}
