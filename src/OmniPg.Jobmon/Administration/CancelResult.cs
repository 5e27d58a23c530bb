namespace OmniPg.Jobmon;

/// <summary>What became of a request to cancel a run.</summary>
public enum CancelResult
{
    /// <summary>The process of the run was told; it ends the run itself.</summary>
    Requested,

    /// <summary>The backend at work was signalled.</summary>
    BackendSignalled,

    /// <summary>The run has ended before; nothing was changed.</summary>
    AlreadyFinished,

    /// <summary>No run has that id.</summary>
    NotFound,

    /// <summary>The role may not signal the backend of the run; nothing was changed.</summary>
    NotPermitted,

    /// <summary>Nobody is at work on the run any more: it was marked as cancelled.</summary>
    MarkedCancelled,
}
