namespace OmniPg.Wal.Tests.Segments;

/// <summary>What a promotion leaves in an archive: a partial segment, a history file, and a first segment that begins with pages of the old timeline.</summary>
public sealed class TimelineSwitchTests(PromotedServer promoted) : IClassFixture<PromotedServer>
{
    [Fact]
    public void First_segment_of_the_new_timeline_begins_with_pages_of_the_old_one()
    {
        var summary = promoted.Validate(promoted.FirstOfNewTimeline);

        summary.FirstTli.Should().Be(1);
        summary.LastTli.Should().Be(2);
        summary.Records.Should().BePositive();
    }

    [Fact]
    public void Partial_segment_of_the_old_timeline_is_valid_up_to_the_switch()
    {
        var summary = promoted.Validate(promoted.Partial);

        summary.Kind.Should().Be(WalFileKind.Partial);
        summary.End.Should().Be(WalSegmentEnd.Early);
        summary.EndReason.Should().NotBeNullOrEmpty();
        (summary.FirstTli, summary.LastTli).Should().Be((1u, 1u));
        summary.EndOfValid.Should().Be(promoted.History.Ancestors[0].SwitchLsn);
        summary.Next.Should().BeNull();
    }

    [Fact]
    public void Partial_segment_is_no_complete_one()
    {
        var content = promoted.Read(promoted.Partial);

        var fault = Validate.Fault(promoted.Partial.GetSegment(), content, promoted.Expectations)!;

        fault.Problem.Should().Be(WalValidationProblem.UnexpectedEnd);
        (fault.Lsn >= promoted.History.Ancestors[0].SwitchLsn).Should().BeTrue();
    }

    [Fact]
    public void Partial_segment_of_another_cluster_is_refused()
    {
        var fault = Validate.Fault(promoted.Partial, promoted.Read(promoted.Partial), promoted.Expectations with { SystemIdentifier = 1 })!;

        fault.Problem.Should().Be(WalValidationProblem.ForeignCluster);
    }

    [Fact]
    public void A_page_of_the_new_timeline_is_refused_in_a_segment_of_the_old_one()
    {
        var oldName = WalFileName.ForSegmentNumber(1, promoted.FirstOfNewTimeline.SegmentNumber(promoted.SegmentSize), promoted.SegmentSize);

        var fault = Validate.Fault(oldName, promoted.Read(promoted.FirstOfNewTimeline), promoted.Expectations)!;

        fault.Problem.Should().Be(WalValidationProblem.WrongTimeline);
        fault.Reason.Should().Be("the page is of timeline '2' but '1' is expected");
    }

    [Fact]
    public async Task Records_are_read_in_a_chain_over_the_switch()
    {
        var records = await WalSegmentReader
            .ReadChainAsync(promoted.Path.Select(promoted.Source), new WalReadOptions { Expectations = promoted.Expectations }, TestContext.Current.CancellationToken)
            .ToListAsync(TestContext.Current.CancellationToken);

        var recovery = records.Single(r => r.Detail is WalEndOfRecovery);
        recovery.Detail.Should().BeOfType<WalEndOfRecovery>().Which.Should().BeEquivalentTo(new { Timeline = 2u, PreviousTimeline = 1u });
        records.Zip(records.Skip(1)).Should().OnlyContain(pair => pair.Second.Previous == pair.First.Lsn);
        records.Where(r => r.Detail is WalRestorePoint).Select(r => ((WalRestorePoint)r.Detail!).Name).Should().Equal("before", "after");
    }

    [Fact]
    public void History_file_says_where_the_old_timeline_was_left()
    {
        promoted.History.Timeline.Should().Be(2);
        promoted.History.Ancestors.Should().ContainSingle().Which.Should().BeEquivalentTo(new { Timeline = 1u, Reason = "no recovery target specified" });
        promoted.Validate(WalFileName.ForHistory(2)).Kind.Should().Be(WalFileKind.TimelineHistory);
    }

    [Fact]
    public void History_and_backup_files_of_the_server_are_valid_only_under_their_own_names()
    {
        var backup = promoted.Names.Single(n => n.Kind == WalFileKind.BackupHistory);
        var size = promoted.SegmentSize;
        var otherSegment = WalFileName.Parse($"{backup.GetSegment().Next(size)}.{backup.BackupOffset:X8}.backup");
        var otherOffset = WalFileName.Parse($"{backup.GetSegment()}.{backup.BackupOffset + 8:X8}.backup");

        promoted.Validate(backup).Kind.Should().Be(WalFileKind.BackupHistory);
        foreach (var wrong in new[] { otherSegment, otherOffset })
            Validate.Fault(wrong, promoted.Read(backup), promoted.Expectations)!.Problem.Should().Be(WalValidationProblem.BadText);
        Validate.Fault(WalFileName.ForHistory(1), promoted.Read(WalFileName.ForHistory(2)), promoted.Expectations)!.Code.Should().Be("wal.text.invalid");
    }
}
