# The public names of the package, read by type checkers and, at run time, by lazy_loader.
from . import testing as testing
from .comparison.compare import compare as compare
from .comparison.compare_batch import compare_batch as compare_batch
from .comparison.crystal_report import report as report
from .errors import StructureError as StructureError
from .errors import Sus2Error as Sus2Error
from .properties.elastic.calculate import elastic as elastic
from .properties.eos.calculate import eos as eos
from .properties.phonons.calculate import phonons as phonons
from .properties.phonons.follow_mode import follow_mode as follow_mode
from .properties.property_table import evaluate_many as evaluate_many
from .properties.thermal.calculate import thermal as thermal
from .registry.external import wrap_calculator as wrap_calculator
from .registry.load import load as load
from .registry.load import models as models
from .relaxation.relax import relax as relax
from .relaxation.relax_many import relax_many as relax_many
from .screening.start import screen as screen
from .structures.files import read_structure as read_structure
from .training.frames.fit import fit_frames as fit_frames
from .training.specialise.loop import specialise as specialise
from .trust.known_values.lookup import known_values as known_values
from .validation.model_check import check as check
from .validation.model_check import sanity as sanity
from .validation.recommendation import recommend as recommend

__all__: list[str]
__version__: str
