using System.Globalization;
using Npgsql;
using OmniPg.Jobmon;

/// <summary>
/// Many short runs with default options, and afterwards the question whether the log has them all: <c>runs CONNECTION NAME [--runs N] [--seed S]</c>.
/// Several of these processes at once, through a pooler, are the test that takes too long for every day.
/// </summary>
internal static class ManyRuns
{
    public static async Task<int> RunAsync(string connection, string name, string[] options)
    {
        var runs = Option(options, "--runs", 40);
        var seed = Option(options, "--seed", Random.Shared.Next());
        var random = new Random(seed);
        var tag = $"runs {seed.ToString(CultureInfo.InvariantCulture)} {Guid.NewGuid()}";
        await using var source = NpgsqlDataSource.Create(connection);
        int failed = 0, steps = 0;
        await using (var jobmon = new JobmonClient(source))
        {
            await jobmon.Admin.InstallAsync();
            for (var run = 0; run < runs; run++)
            {
                await using var job = await jobmon.Job(name).Tag(tag).StartAsync();
                for (var left = random.Next(1, 5); left > 0; left--, steps++)
                {
                    var step = await job.StepAsync("step");
                    step.Report(random.Next(1000));
                    await step.CompleteAsync();
                }

                if (random.Next(4) == 0)
                {
                    failed++;
                    steps++;
                    await job.FailAsync("expected");
                }
                else
                {
                    await job.CompleteAsync();
                }
            }
        }

        await using var asking = new JobmonClient(source);
        var found = new List<JobRecord>();
        await foreach (var record in asking.History.ListAsync(new JobQuery { Tag = tag, Limit = null }))
            found.Add(record);
        var foundSteps = 0;
        await foreach (var step in asking.History.StepsAsync([.. found.Select(record => record.JobId)]))
            foundSteps += step.EndTime is null ? 0 : 1;
        var (good, bad) = (found.Count(record => record.Status == "OK"), found.Count(record => record.Status == "CRITICAL"));
        Console.WriteLine($"seed {seed}: made {runs - failed} OK, {failed} CRITICAL, {steps} steps; the log has {good} OK, {bad} CRITICAL, {found.Count} runs, {foundSteps} steps");
        return (good, bad, found.Count, foundSteps) == (runs - failed, failed, runs, steps) ? 0 : 1;
    }

    private static int Option(string[] options, string name, int otherwise) =>
        Array.IndexOf(options, name) is >= 0 and var at ? int.Parse(options[at + 1], CultureInfo.InvariantCulture) : otherwise;
}
