using NpgsqlTypes;

namespace OmniPg.Wal.Tests.Timelines;

public sealed class BackupLabelTests
{
    private const string HistoryFile = """
        START WAL LOCATION: 0/2000028 (file 000000010000000000000002)
        STOP WAL LOCATION: 0/2000138 (file 000000010000000000000002)
        CHECKPOINT LOCATION: 0/2000060
        BACKUP METHOD: streamed
        BACKUP FROM: primary
        START TIME: 2026-05-01 12:00:00 CEST
        LABEL: night: 'a' % b
        START TIMELINE: 1
        STOP TIME: 2026-05-01 12:00:05 CEST
        STOP TIMELINE: 1

        """;

    [Fact]
    public void Every_key_of_a_backup_history_file_is_read()
    {
        var label = BackupLabel.Parse(HistoryFile);

        label.Should().BeEquivalentTo(new
        {
            StartLsn = Lsn("0/2000028"),
            StartSegment = WalFileName.Parse("000000010000000000000002"),
            StopLsn = Lsn("0/2000138"),
            StopSegment = WalFileName.Parse("000000010000000000000002"),
            CheckpointLsn = Lsn("0/2000060"),
            Method = "streamed",
            From = "primary",
            StartTime = "2026-05-01 12:00:00 CEST",
            StopTime = "2026-05-01 12:00:05 CEST",
            Label = "night: 'a' % b",
            StartTimeline = 1u,
            StopTimeline = 1u,
            IncrementalFromLsn = (NpgsqlLogSequenceNumber?)null,
        });
    }

    [Fact]
    public void A_label_of_a_running_or_incremental_backup_has_no_end()
    {
        var label = BackupLabel.Parse(
            "START WAL LOCATION: A/2000028 (file 000000020000000A00000002)\r\nINCREMENTAL FROM LSN: A/28\nINCREMENTAL FROM TLI: 2\nNEW KEY: x\n");

        label.StartLsn.Should().Be(Lsn("A/2000028"));
        (label.StopLsn, label.StopSegment, label.CheckpointLsn, label.Label).Should().Be((null, null, null, null));
        (label.IncrementalFromLsn, label.IncrementalFromTimeline).Should().Be((Lsn("A/28"), 2u));
    }

    [Theory]
    [InlineData("", 0, "the line 'START WAL LOCATION' is missing")]
    [InlineData("LABEL: x\n", 0, "the line 'START WAL LOCATION' is missing")]
    [InlineData("START WAL LOCATION: 2000028 (file 000000010000000000000002)\n", 20, "'2000028 (file 000000010000000000000002)' is not a WAL location")]
    [InlineData("START WAL LOCATION: 0/2000028\n", 20, "'0/2000028' names no segment")]
    [InlineData("START WAL LOCATION: 0/2000028 (file ../x)\n", 20, "'0/2000028 (file ../x)' names no segment")]
    [InlineData("START TIMELINE: one\n", 16, "'one' is not a timeline")]
    public void Wrong_content_is_refused_with_its_place(string text, long offset, string reason)
    {
        var parse = () => BackupLabel.Parse(text);

        var fault = parse.Should().Throw<WalValidationException>().Which;
        (fault.Problem, fault.Offset, fault.Reason).Should().Be((WalValidationProblem.BadText, offset, reason));
    }

    private static NpgsqlLogSequenceNumber Lsn(string text) => NpgsqlLogSequenceNumber.Parse(text);
}
