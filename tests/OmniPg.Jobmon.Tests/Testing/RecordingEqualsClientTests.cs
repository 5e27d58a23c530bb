using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Testing;

/// <summary>The same plays on the client with a server and on the log in memory leave the same record and behave alike on the way.</summary>
public sealed class RecordingEqualsClientTests(PgClusterFixture server)
{
    public static TheoryData<string> Names => [.. Scenarios.All.Select(scenario => scenario.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Recording_leaves_what_the_client_leaves(string name)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var scenario = Scenarios.All.Single(s => s.Name == name);

        var (expectedNotes, expected, expectedLines) = await OnServerAsync(scenario, log);
        var recording = scenario.InMemory();
        var stage = new Stage(recording, log.DataSource);
        await scenario.RunAsync(stage);
        await recording.DisposeAsync();

        expected.Should().NotBeEmpty();
        stage.Notes.Should().Equal(expectedNotes);
        (await Portrait.OfHistoryAsync(recording.History)).Should().Be(expected);
        Portrait.OfJobs(recording.Jobs).Should().Be(expected);
        Lines(recording).Should().Equal(expectedLines);
    }

    private static async Task<(IReadOnlyList<string> Notes, string Portrait, IReadOnlyList<string> Lines)> OnServerAsync(Scenario scenario, JobLogDatabase log)
    {
        Stage stage;
        await using (var client = scenario.OnServer(log.DataSource))
        {
            stage = new Stage(client, log.DataSource);
            await scenario.RunAsync(stage);
        }

        var lines = await log.RowsAsync(
            "SELECT r.display_name, d.action, l.level, l.category, l.message FROM omnipg_jobmon.log_line l JOIN omnipg_jobmon.run r USING (job_id) LEFT JOIN S.job_detail d ON d.step_id = l.step_id ORDER BY l.job_id, l.seq");
        return (stage.Notes, await Portrait.OfHistoryAsync(log.History), lines);
    }

    private static List<string> Lines(RecordingJobmon recording) =>
    [
        .. from job in recording.Jobs
           from line in job.Lines
           select $"{job.Name}|{job.Steps.SingleOrDefault(step => step.StepId == line.StepId)?.Action ?? "~"}|{(int)line.Level}|{line.Category ?? "~"}|{line.Message}",
    ];
}
