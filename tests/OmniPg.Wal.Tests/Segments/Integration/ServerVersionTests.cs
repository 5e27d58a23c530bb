namespace OmniPg.Wal.Tests.Segments;

/// <summary>WAL of every supported version: all checks pass over all segments in a chain, and what is decoded equals what the server said.</summary>
public sealed class ServerVersionTests(WalWorkloads workloads)
{
    [Theory]
    [InlineData(13)]
    [InlineData(14)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(18)]
    public async Task All_segments_are_valid_and_commits_and_restore_points_are_those_of_the_server(int major)
    {
        var workload = await workloads.GetAsync(major, 1, 4);
        var summaries = new List<WalValidationResult>();
        var records = await ReadAllAsync(workload, summaries);

        summaries.Should().HaveCount(workload.Segments.Count).And.HaveCountGreaterThan(15);
        summaries.Should().OnlyContain(s => s.PgMajor == major && s.SystemIdentifier == workload.SystemIdentifier && s.SegmentSize == 1 << 20);
        summaries.Skip(1).Should().OnlyContain(s => !s.EdgesUnchecked);
        summaries.Sum(s => s.Records).Should().Be(records.Count);
        AssertRestorePoints(workload, records);
        AssertCommits(workload, records);
        AssertPreparedTransactions(records);
        records.Should().ContainSingle(r => r.End == workload.LastPosition).Which.Rmgr.Should().Be(0);
    }

    [Theory]
    [InlineData(13)]
    [InlineData(14)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(18)]
    public async Task Control_file_says_what_the_server_said(int major)
    {
        var workload = await workloads.GetAsync(major, 1, 4);

        var control = workload.ControlFile;

        control.SystemIdentifier.Should().Be(workload.SystemIdentifier);
        control.PgMajor.Should().Be(major);
        control.SegmentSize.Should().Be(1 << 20);
        control.Timeline.Should().Be(1);
        control.State.Should().Be(PgClusterState.ShutDown);
        control.WalLevel.Should().Be(2);
        control.Redo.Should().Be(control.Checkpoint).And.BeGreaterThan(workload.LastPosition);
        control.ToExpectations().Should().Be(workload.Expectations);
    }

    private static async Task<List<WalRecord>> ReadAllAsync(WalWorkload workload, List<WalValidationResult> summaries)
    {
        var options = new WalReadOptions { Expectations = workload.Expectations, OnSegmentEnd = summaries.Add };
        return await WalSegmentReader.ReadChainAsync(workload.Sources, options, TestContext.Current.CancellationToken)
            .ToListAsync(TestContext.Current.CancellationToken);
    }

    private static void AssertRestorePoints(WalWorkload workload, List<WalRecord> records)
    {
        var found = records.Where(r => r.Detail is WalRestorePoint).Select(r => (((WalRestorePoint)r.Detail!).Name, r.End)).ToList();

        found.Should().Equal(workload.RestorePoints);
    }

    private static void AssertCommits(WalWorkload workload, List<WalRecord> records)
    {
        var commits = records.Select(r => r.Detail).OfType<WalTransactionEnd>().Where(t => t.IsCommit && t.TransactionId != 0)
            .ToDictionary(t => t.TransactionId, t => t.Time);

        workload.Commits.Should().NotBeEmpty().And.OnlyContain(c => commits[c.Xid] == c.Time);
    }

    private static void AssertPreparedTransactions(List<WalRecord> records)
    {
        var prepared = records.Select(r => r.Detail).OfType<WalTransactionEnd>().Where(t => t.IsPrepared).ToList();

        prepared.Select(t => t.PreparedName).Should().Equal("gid 0", "gid 1", "gid 2", "gid 3");
        prepared.Select(t => t.IsCommit).Should().Equal(true, false, true, false);
        prepared.Should().OnlyContain(t => t.TransactionId > 0 && t.Subtransactions.Count == 1);
    }
}
