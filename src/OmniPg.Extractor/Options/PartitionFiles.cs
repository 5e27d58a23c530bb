namespace OmniPg.Extractor;

/// <summary>Where partitions go.</summary>
public enum PartitionFiles
{
    /// <summary>Each partition has its own file. The default.</summary>
    Own,

    /// <summary>Partitions are written into the file of the topmost partitioned table.</summary>
    WithParent,

    /// <summary>Partitions are left out, with all that belongs to them: for sets that a job creates. Such a tree is not complete.</summary>
    LeaveOut,
}
