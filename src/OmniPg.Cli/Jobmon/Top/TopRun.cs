using OmniPg.Jobmon;

namespace OmniPg.Cli;

/// <summary>A run at work with its open steps, outer before inner.</summary>
internal sealed record TopRun(JobRecord Job, IReadOnlyList<TopStep> Steps)
{
    private const string Separator = " › ";

    public string Name => Job.DisplayName ?? Job.JobName;

    /// <summary>The step that was opened last, with the steps around it in its name; null when none is open.</summary>
    public TopStep? Innermost
    {
        get
        {
            if (Steps.MaxBy(s => s.Step.StepId) is not { } last)
                return null;
            var path = last.Step.Action;
            var outer = last;
            while (Steps.FirstOrDefault(s => s.Step.StepId == outer.Step.ParentStepId) is { } parent)
                (outer, path) = (parent, parent.Step.Action + Separator + path);
            return new TopStep(last.Step with { Action = path }, 0);
        }
    }

    /// <summary>Puts the open steps of a run in order.</summary>
    public static TopRun Of(JobRecord job, IReadOnlyList<JobStepRecord> open)
    {
        var ordered = new List<TopStep>(open.Count);
        Append(open, ordered, parent: null, depth: 0);
        // A step whose outer step has ended already stands at the top.
        foreach (var step in open.Where(s => !ordered.Exists(o => o.Step.StepId == s.StepId)).ToList())
            ordered.Add(new TopStep(step, 0));
        return new TopRun(job, ordered);
    }

    private static void Append(IReadOnlyList<JobStepRecord> open, List<TopStep> ordered, long? parent, int depth)
    {
        foreach (var step in open.Where(s => s.ParentStepId == parent))
        {
            ordered.Add(new TopStep(step, depth));
            Append(open, ordered, step.StepId, depth + 1);
        }
    }
}
